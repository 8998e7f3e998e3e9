"""A stack as one Compose file.

Laws:
- each service is launched as in the last of its scenarios that are of a service;
- it is found by the names that the others have for it, and starts after those that it knows;
- no text of a workload is a variable to Compose;
- what cannot be a stack is told, with what to do.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from capmin.errors import UsageError
from capmin.profile import Profile
from capmin.stack import FILE_NAME, files, stack
from capmin.workload import Workload, load_workload

DB = """\
[image]
reference = "db:1"
[[scenario]]
name = "alone"
service = true
test = "true"
[[scenario]]
name = "kept"
service = true
test = "true"
volumes = { data = "/data" }
stop = { signal = "SIGINT", limit_s = 25 }
[[scenario]]
name = "job"
test = "true"
"""
WEB = """\
[image]
reference = "web:2"
[[scenario]]
service = true
test = "true"
alias = "front"
user = "www"
arguments = ["serve", "$HOME"]
env = { SECRET = "a$b", EMPTY = "" }
tmpfs = ["/run"]
read_only_volumes = { data = "/srv/data" }
files = { "page.html" = "/srv/page.html" }
[[scenario.companion]]
name = "database"
image = "db:1"
"""


def workload(folder: Path, text: str) -> Workload:
    folder.mkdir()
    (folder / "page.html").write_text("page")
    (folder / "workload.toml").write_text(text)
    return load_workload(folder)


def profile(image: str, *, filtered: bool = True) -> Profile:
    found = json.loads((Path(__file__).parents[1] / "integration/chown_result.json").read_text())
    found["image"]["reference"] = image
    if not filtered:
        found["syscalls"] = None
    return Profile.from_result(found)


@pytest.fixture
def db(tmp_path: Path) -> Workload:
    return workload(tmp_path / "db", DB)


@pytest.fixture
def web(tmp_path: Path) -> Workload:
    return workload(tmp_path / "web", WEB)


def written(*parts: tuple[Workload, Profile], directory: Path) -> tuple[dict[str, Any], dict[str, str]]:
    found = files(stack(parts), directory)
    document: dict[str, Any] = YAML(typ="safe").load(found[FILE_NAME])
    return document, found


def test_each_runs_as_in_production(db: Workload, web: Workload, tmp_path: Path) -> None:
    document, _ = written((db, profile("db:1")), (web, profile("web:2")), directory=tmp_path / "out")
    assert document == {
        "services": {
            "db": {
                "image": "db:1",
                "volumes": [{"type": "volume", "source": "data", "target": "/data"}],
                "stop_signal": "SIGINT",
                "stop_grace_period": "25s",
                "networks": {"default": {"aliases": ["database"]}},
                "cap_drop": ["ALL"],
                "cap_add": ["CHOWN"],
                "security_opt": ["seccomp=./db.seccomp.json"],
            },
            "web": {
                "image": "web:2",
                "command": ["serve", "$$HOME"],
                "environment": {"SECRET": "a$$b", "EMPTY": ""},
                "user": "www",
                "tmpfs": ["/run"],
                "volumes": [
                    {"type": "volume", "source": "data", "target": "/srv/data", "read_only": True},
                    {
                        "type": "bind",
                        "source": "../web/page.html",
                        "target": "/srv/page.html",
                        "read_only": True,
                    },
                ],
                "stop_grace_period": "10s",
                "depends_on": ["db"],
                "networks": {"default": {"aliases": ["front"]}},
                "cap_drop": ["ALL"],
                "cap_add": ["CHOWN"],
                "security_opt": ["seccomp=./web.seccomp.json"],
            },
        },
        "volumes": {"data": {}},
    }


def test_filters_are_beside_it(db: Workload, web: Workload, tmp_path: Path) -> None:
    document, found = written(
        (db, profile("db:1")), (web, profile("web:2", filtered=False)), directory=tmp_path / "out"
    )
    assert set(found) == {FILE_NAME, "db.seccomp.json"}
    assert json.loads(found["db.seccomp.json"])["syscalls"]
    assert "security_opt" not in document["services"]["web"]


def test_who_is_known_starts_first_or_not_at_all(db: Workload, web: Workload, tmp_path: Path) -> None:
    document, _ = written((web, profile("web:2")), (db, profile("db:1")), directory=tmp_path / "out")
    assert "depends_on" not in document["services"]["web"]
    assert list(document["services"]) == ["web", "db"]


def test_what_the_daemon_has_is_named_as_docker_does(db: Workload, web: Workload, tmp_path: Path) -> None:
    """As `capmin init` names it, and a search whose engine is not docker."""
    document, _ = written(
        (db, profile("docker-daemon:db:1")), (web, profile("web:2")), directory=tmp_path / "out"
    )
    assert document["services"]["db"]["image"] == "db:1"


def test_what_cannot_be_a_stack_is_told(db: Workload, web: Workload, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the result for db is of web:2, and the workload's image is db:1"):
        stack([(db, profile("web:2"))])
    with pytest.raises(UsageError, match="db is named twice"):
        stack([(db, profile("db:1")), (web, profile("web:2")), (db, profile("db:1"))])
    job = workload(tmp_path / "job", '[image]\nreference = "job:1"\n[[scenario]]\ntest = "true"\n')
    with pytest.raises(UsageError, match="no scenario has service = true"):
        stack([(job, profile("job:1"))])
    saved = workload(
        tmp_path / "saved",
        f'[image]\nreference = "dir:{tmp_path}"\n[[scenario]]\nservice = true\ntest = "true"\n',
    )
    with pytest.raises(UsageError, match="Compose finds images by their names alone"):
        stack([(saved, profile(f"dir:{tmp_path}"))])
