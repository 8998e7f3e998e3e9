"""Drafts of workload files.

- Whatever an image says of itself, its draft loads, for that image.
- Ports become requests or connections, the health check tells when it is ready, volumes bring a second start.
"""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capmin.engines import Image
from capmin.workload import load_workload
from capmin.workload.draft import draft


def image(**more: Any) -> Image:  # noqa: ANN401 - passed on to a dataclass that checks nothing
    return Image(reference="web:1", digest="sha256:0", handle="web", **more)


def scenario(**more: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    [table] = tomllib.loads(draft(image(**more)))["scenario"]
    found: dict[str, Any] = table
    return found


def test_ports() -> None:
    found = scenario(exposed_ports=("8080/tcp", "5432/tcp", "53/udp", "80"))
    assert found["service"]
    assert [request["url"] for request in found["http"]] == ["http://127.0.0.1:8080/", "http://127.0.0.1:80/"]
    assert found["tcp"] == [{"port": 5432}]
    assert "# not tested: 53/udp" in draft(image(exposed_ports=("53/udp",)))


def test_a_health_check() -> None:
    found = scenario(healthcheck=("/bin/sh", "-c", 'pg_isready -d "x"'))
    assert found["test"] == ["/bin/sh", "-c", 'pg_isready -d "x"']
    assert (found["test_in"], found["ready"]) == ("inside", {"healthcheck": True})


def test_volumes() -> None:
    found = scenario(exposed_ports=("80/tcp",), volumes=("/var/lib/x/data", "/data", "/", "C:"))
    assert found["volumes"] == {"data": "/data", "data-2": "/var/lib/x/data"}
    assert found["phases"] == ["test", "restart", "test"]


def test_nothing_is_known() -> None:
    assert scenario() == {"name": "runs", "test": "true"}


def test_what_it_says_is_told() -> None:
    text = draft(image(entrypoint=("nginx",), cmd=("-g", "x"), user="101:101", environment=("PATH=/", "A=1")))
    assert '# It runs ["nginx", "-g", "x"]' in text
    assert "# as user 101:101, for whom capabilities" in text
    assert "# It sets the environment A" in text


words = st.text(max_size=12)
commands = st.lists(words, max_size=3).map(tuple)
ports = st.tuples(st.integers(1, 65535), st.sampled_from(["", "/tcp", "/udp", "/sctp"])).map(
    lambda port: f"{port[0]}{port[1]}"
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    reference=st.text(min_size=1, max_size=30),
    entrypoint=commands,
    cmd=commands,
    healthcheck=commands,
    user=words,
    environment=commands,
    volumes=st.lists(words.map("/{}".format), max_size=3).map(tuple),
    exposed_ports=st.lists(ports, max_size=3, unique=True).map(tuple),
)
def test_every_draft_loads(tmp_path: Path, reference: str, **more: Any) -> None:  # noqa: ANN401 - as above
    path = tmp_path / "workload.toml"
    path.write_text(draft(Image(reference=reference, digest="sha256:0", handle="", **more)), encoding="utf-8")
    found = load_workload(path)
    assert found.image == reference
    assert len(found.scenarios) == 1


@pytest.mark.parametrize("text", ["a\nservice = true", "\x7f", 'quote " in it', "\N{PILE OF POO}"])
def test_no_text_breaks_out(text: str) -> None:
    loaded = tomllib.loads(draft(Image(reference=text, digest=text, handle="", user=text)))
    assert loaded["image"] == {"reference": text}
