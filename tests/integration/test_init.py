"""``capmin init`` on real images: what it writes loads, says what the image says, and can be searched."""

from pathlib import Path

import pytest

from capmin.cli import main
from capmin.engines.rootfs import RootfsCache
from capmin.workload import build_recipe, load_workload
from tests.contract.images import contract_image

NGINX = Path(__file__).parents[2] / "workloads" / "nginx" / "workload.toml"

pytestmark = pytest.mark.engine("runc")


@pytest.fixture(autouse=True)
def _places(cache_dir: Path, state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPMIN_CACHE_DIR", str(cache_dir))
    monkeypatch.setenv("CAPMIN_STATE_DIR", str(state_dir))
    monkeypatch.chdir(tmp_path)


def test_a_service_is_verified_as_written(cache_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RootfsCache(cache_dir) as cache:
        reference = build_recipe(NGINX, cache).reference
    assert main(["init", reference, "--engine", "runc"]) == 0
    assert "capmin search --workload workloads/nginx" in capsys.readouterr().out
    workload = load_workload(Path("workloads/nginx"))
    assert workload.reference == reference
    assert "http://127.0.0.1:80/" in Path("workloads/nginx/workload.toml").read_text()
    argv = ["verify", "docker-default", "--workload", "workloads/nginx", "--engine", "runc", "-n", "1"]
    assert main(argv) == 0


def test_what_is_there_stays(cache_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RootfsCache(cache_dir) as cache:
        reference = contract_image(cache)
    argv = ["init", reference, "-o", "here", "--engine", "runc"]
    assert main(argv) == 0
    before = Path("here/workload.toml").read_text()
    Path("here/workload.toml").write_text("mine")
    assert main(argv) == 2
    assert "--force" in capsys.readouterr().err
    assert Path("here/workload.toml").read_text() == "mine"
    assert main([*argv, "--force"]) == 0
    assert Path("here/workload.toml").read_text() == before


def test_no_such_image(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "dir:/nowhere", "--engine", "runc"]) == 2
    assert len(capsys.readouterr().err.splitlines()) <= 2
    assert not Path("workloads").exists()
