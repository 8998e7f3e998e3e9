"""Workload files: what they say is what is launched, and a mistake is told with file, line and key.

Laws:
- every key of the schema arrives in the recipe or the scenario, and ``workloads/README.md`` names each;
- the line told is the line on which the key begins, whatever the layout of the file;
- the workloads and images of this repository load.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capmin.engines.debian import DebianRecipe
from capmin.errors import UsageError
from capmin.scenario import (
    Companion,
    HttpProbe,
    Phase,
    Place,
    Ready,
    Reload,
    Scenario,
    Setting,
    Stop,
    TcpProbe,
)
from capmin.workload import find_workloads, load_workload
from capmin.workload.document import line_of
from capmin.workload.scenario_schema import SCENARIO_TABLES
from capmin.workload.schema import DebianTable, ImageTable

if TYPE_CHECKING:
    from pydantic import BaseModel

ROOT = Path(__file__).parents[2]

FULL = """\
description = "all keys"

[image]
debian = { suite = "trixie", variant = "minbase", packages = ["nginx-light"] }
name = "web"
files = "files"
run = ["touch /made", ["true", "a b"]]
entrypoint = ["nginx"]
cmd = ["-g", "daemon off;"]
env = { LANG = "C.UTF-8" }
user = "www-data"
working_dir = "/srv"
stop_signal = "SIGQUIT"
exposed_ports = ["80", "53/udp"]
volumes = ["/data"]

[[scenario]]
name = "first"
service = true
test = "wget -q http://127.0.0.1/"
test_image = "curl:8"

[[scenario]]
test = ["nginx", "-t"]
"""

MINIMAL = '[image]\nreference = "nginx:1"\n\n[[scenario]]\ntest = "true"\n'


def _write(tmp_path: Path, text: str) -> Path:
    (tmp_path / "web").mkdir()
    (tmp_path / "web/files").mkdir()
    (tmp_path / "web/workload.toml").write_text(text)
    return tmp_path / "web"


def test_every_key_arrives(tmp_path: Path) -> None:
    folder = _write(tmp_path, FULL)
    workload = load_workload(folder)
    assert workload.reference == "capmin/web:latest"
    assert workload.image == DebianRecipe(
        name="web",
        origin=folder / "workload.toml",
        suite="trixie",
        variant="minbase",
        packages=("nginx-light",),
        files=folder / "files",
        run=(("/bin/sh", "-c", "touch /made"), ("true", "a b")),
        configuration={
            "Entrypoint": ("nginx",),
            "Cmd": ("-g", "daemon off;"),
            "Env": ["LANG=C.UTF-8"],
            "User": "www-data",
            "WorkingDir": "/srv",
            "StopSignal": "SIGQUIT",
            "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
            "Volumes": {"/data": {}},
        },
    )
    assert workload.scenarios == (
        Scenario(
            name="first",
            test=("/bin/sh", "-c", "wget -q http://127.0.0.1/"),
            service=True,
            test_image="curl:8",
        ),
        Scenario(name="test", test=("nginx", "-t")),
    )


def test_image_by_reference(tmp_path: Path) -> None:
    workload = load_workload(_write(tmp_path, MINIMAL) / "workload.toml")
    assert (workload.name, workload.reference, workload.build()) == ("web", "nginx:1", "nginx:1")


def test_documentation_names_every_key() -> None:
    text = (ROOT / "workloads/README.md").read_text()
    tables: tuple[type[BaseModel], ...] = (DebianTable, ImageTable, *SCENARIO_TABLES)
    for table in tables:
        assert [key for key in table.model_fields if f"`{key}`" not in text] == []


def test_documented_example_loads(tmp_path: Path) -> None:
    text = (ROOT / "workloads/README.md").read_text()
    for number, example in enumerate(re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)):
        folder = tmp_path / str(number)
        folder.mkdir()
        web = _write(folder, example)
        (web / "page.html").touch()
        assert load_workload(web).scenarios[0].service


@pytest.mark.parametrize("folder", find_workloads(ROOT / "workloads"), ids=lambda folder: folder.name)
def test_workloads_of_this_repository(folder: Path) -> None:
    workload = load_workload(folder)
    assert workload.name == folder.name
    assert f"[{folder.name}]({folder.name}/)" in (ROOT / "workloads/README.md").read_text()
    assert workload.description


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        (("name =", "nam ="), 5, r"image\.nam: no such key \(there are reference, containerfile, debian, "),
        (
            ("suite =", "suit ="),
            4,
            r"image\.debian\.suit: no such key \(there are suite, variant, packages\)",
        ),
        (("test_image =", "tset ="), 21, r"scenario\[1\]\.tset: no such key \(there are .*name, test, "),
        (('["nginx", "-t"]', '["nginx", 1]'), 24, r"scenario\[2\]\.test\[2\]: "),
        (('test = ["nginx", "-t"]', 'test = ""'), 24, r"scenario\[2\]\.test: the test command is empty"),
        (('test = ["nginx", "-t"]', 'name = "x"'), 23, r"scenario\[2\]: has no test"),
        (('test = ["nginx", "-t"]', 'name = "first"\ntest = "true"'), 24, "another scenario 'first'"),
        (('test = ["nginx", "-t"]', 'test = "true"\ntest_image = "a"'), 23, "set service = true"),
        (('"nginx-light"', '"nginx; rm"'), 4, r"image\.debian\.packages\[1\]: "),
        (('name = "web"', 'reference = "nginx:1"'), 3, "image: give one of reference, containerfile and"),
        (('"minbase"', '"minibase"'), 4, r"image\.debian\.variant: .*'essential', 'minbase' or 'extract'"),
        (('files = "files"', 'files = "none"'), 6, r"image\.files: there is no directory"),
        (('working_dir = "/srv"', 'working_dir = "srv"'), 12, r"image\.working_dir: "),
        (('entrypoint = ["nginx"]\ncmd = ["-g", "daemon off;"]', "\n"), 19, "neither entrypoint nor cmd"),
        (("[[scenario]]", "[[scenarios]]"), 17, "scenarios: no such key"),
    ],
)
def test_mistakes(tmp_path: Path, change: tuple[str, str], line: int, words: str) -> None:
    folder = _write(tmp_path, FULL.replace(*change))
    with pytest.raises(UsageError, match=words) as refused:
        load_workload(folder)
    assert str(refused.value).startswith(f"{folder}/workload.toml:{line}: ")
    assert len(str(refused.value).splitlines()) == 1


def test_several_mistakes_are_counted(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\(and 1 more\)$"):
        load_workload(_write(tmp_path, FULL.replace("suite", "suit").replace("user", "usr")))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[image\n", r"not TOML: .*line 1"),
        ('[image]\nreference = "a"\n', r"workload.toml:1: has no \[\[scenario\]\]"),
        ('[image]\nreference = "a"\nuser = "b"\n', "user: only for an image that is made with debian"),
        ('[image]\ncontainerfile = "a"\nrun = ["b"]\n', "run: only for an image that is made with debian"),
        (
            '[image]\ncontainerfile = "none"\n[[scenario]]\ntest = "true"\n',
            r"workload.toml:2: image.containerfile: there is no file .*/none",
        ),
        ('[[scenario]]\ntest = "true"\n', "image: is missing"),
    ],
)
def test_other_mistakes(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        load_workload(_write(tmp_path, text))


def test_no_such_workload(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no workload at"):
        load_workload(tmp_path)
    (tmp_path / "workload.toml").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="cannot read"):
        load_workload(tmp_path)


SCENARIO = """\
[image]
reference = "web:1"

[[scenario]]
name = "all"
service = true
env = { A = "b" }
user = "1000"
arguments = ["-v"]
volumes = { data = "/data" }
read_only_volumes = { static = "/static" }
tmpfs = ["/run"]
files = { files = "/etc/web" }
test = ["./check", "--fast"]
test_in = "host"
port = 80
http = [
  { url = "http://web/", method = "PUT", headers = { Host = "a" }, body = "x", status = 204, contains = "y" },
]
tcp = [{ port = 6379, send = "PING\\r\\n", expect = "PONG" }]
phases = ["test", "reload", "test", "restart", "stop"]
ready = { port = 80, log = "^ready", command = "true", healthcheck = true }
reload = { signal = "SIGHUP", log = "reloaded" }
stop = { signal = "SIGQUIT", exit_codes = [0, 3], limit_s = 2.5 }
alias = "web"
compare = ["output", "answers", "log", "/data/x"]
masks = ["id [0-9]+"]

[[scenario.companion]]
name = "db"
image = "mariadb:11"
volumes = { data = "/var/lib" }
ready = { port = 3306 }
"""


def test_every_key_of_a_scenario_arrives(tmp_path: Path) -> None:
    folder = _write(tmp_path, SCENARIO)
    (scenario,) = load_workload(folder).scenarios
    (file,) = scenario.setting.files
    assert (file.source, file.target) == (str(folder / "files"), "/etc/web")
    assert scenario == Scenario(
        name="all",
        service=True,
        setting=Setting(
            environment=("A=b",),
            user="1000",
            arguments=("-v",),
            volumes=(("data", "/data"),),
            read_only_volumes=(("static", "/static"),),
            tmpfs=("/run",),
            files=(file,),
        ),
        test=("./check", "--fast"),
        test_in=Place.HOST,
        folder=str(folder),
        port=80,
        probes=(
            HttpProbe(
                url="http://web/", method="PUT", headers=(("Host", "a"),), body="x", status=204, contains="y"
            ),
            TcpProbe(port=6379, send="PING\r\n", expect="PONG"),
        ),
        phases=(Phase.TEST, Phase.RELOAD, Phase.TEST, Phase.RESTART, Phase.STOP),
        ready=Ready(port=80, log="^ready", command=("/bin/sh", "-c", "true"), healthcheck=True),
        reload=Reload(signal="SIGHUP", log="reloaded"),
        stop=Stop(signal="SIGQUIT", exit_codes=(0, 3), limit_s=2.5),
        alias="web",
        compare=("output", "answers", "log", "/data/x"),
        masks=("id [0-9]+",),
        companions=(
            Companion(
                name="db",
                image="mariadb:11",
                setting=Setting(volumes=(("data", "/var/lib"),)),
                ready=Ready(port=3306),
            ),
        ),
    )


def test_files_of_a_scenario_are_part_of_it(tmp_path: Path) -> None:
    folder = _write(tmp_path, SCENARIO)
    before = load_workload(folder).scenarios
    (folder / "files/index.html").write_text("other")
    assert load_workload(folder).scenarios != before


def test_the_image_of_another_workload_is_a_companion(tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    (tmp_path / "db/workload.toml").write_text('[image]\ndebian = { packages = ["redis"] }\n')
    workload = load_workload(_write(tmp_path, SCENARIO.replace('image = "mariadb:11"', 'workload = "../db"')))
    assert workload.scenarios[0].companions[0].image == "capmin/db:latest"
    assert [other.reference for other in workload.others] == ["capmin/db:latest"]


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        (('log = "^ready"', 'log = "("'), 22, r"scenario\[1\]\.ready\.log: not a regular expression"),
        (
            ('signal = "SIGHUP"', 'signal = "HAPPY"'),
            23,
            r"scenario\[1\]\.reload\.signal: there is no signal HAPPY",
        ),
        (('"/data/x"]', '"data"]'), 26, r"scenario\[1\]\.compare\[4\]: is neither output, answers nor log"),
        (("files = { files", "files = { none"), 13, r"scenario\[1\]\.files\.none: there is no /"),
        (("files = { files", 'files = { ".."'), 13, r"scenario\[1\]\.files\.\.\.: is outside"),
        (('["./check", "--fast"]', '"check | grep x"'), 4, "a test on the host is a list of words"),
        (('"restart", "stop"]', '"stop", "test"]'), 4, "nothing can follow a stop"),
        (('"test", "reload", "test", ', '"reload", '), 4, "phases has no test"),
        (('"reload", "test", ', ""), 4, "phases has no reload, though"),
        (("service = true", ""), 4, r"http, port, ready, reload, restart, stop, tcp: for a service"),
        (('"SIGHUP", log', '"SIGHUP", command = "true", log'), 23, "reload: give either signal or command"),
        (('"mariadb:11"', '"mariadb:11"\nworkload = "../db"'), 29, "give either image or workload"),
        (("ready = { port = 3306 }", "ready = {}"), 33, "ready: says nothing"),
        (('"mariadb:11"', '"mariadb:11"\nservice = true'), 32, r"companion\[1\]\.service: no such key"),
        (("port = 6379", "port = 0"), 20, r"tcp\[1\]\.port: "),
        (
            ('"restart", ', '"retart", '),
            21,
            r"phases\[4\]: input should be 'test', 'reload', 'restart' or 'stop'",
        ),
    ],
)
def test_mistakes_in_scenarios(tmp_path: Path, change: tuple[str, str], line: int, words: str) -> None:
    assert change[0] in SCENARIO
    folder = _write(tmp_path, SCENARIO.replace(*change))
    with pytest.raises(UsageError, match=words) as refused:
        load_workload(folder)
    assert str(refused.value).startswith(f"{folder}/workload.toml:{line}: ")


_VALUES = st.sampled_from(["1", '"a"', "[\n 1,\n 2,\n]", '"""\n[x]\nb = 1\n"""', "{ c = 1 }"])
_FILLERS = st.sampled_from(["", "# a = 1", "\n\n# [x]"])


@given(st.lists(st.tuples(_FILLERS, st.sampled_from("abc"), _VALUES), max_size=6))
def test_line_is_where_the_key_begins(entries: list[tuple[str, str, str]]) -> None:
    lines: list[str] = []
    begins = []
    for filler, key, value in entries:
        lines += [*filler.split("\n"), "[[t]]"]
        begins.append(len(lines) + 1)
        lines += f"{key} = {value}".split("\n")
    text = "\n".join(lines)
    assert [line_of(text, ("t", number, entry[1])) for number, entry in enumerate(entries)] == begins


def test_line_of_what_is_not_there() -> None:
    assert line_of("a = 1\n\n[b]\nc = 1\n", ("b", "d")) == 3
    assert line_of("", ("b",)) == 1
