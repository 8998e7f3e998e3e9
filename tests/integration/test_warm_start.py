"""`search --from` on nginx: an upgrade is a cheap search, on the real engine.

- The image unchanged: k + 2 trials for k privileges (30 for 28; the search that found them took 58 to 73),
  and the same answer, with the call that nginx passes without, spinning.
- A version later it needs CAP_NET_RAW, the denial of which nothing shows: found in 42 trials for 29
  privileges; a search from nothing took 261.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.searching import Search, Searcher

ROOT = Path(__file__).parents[2]
NGINX = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_NET_BIND_SERVICE", "CAP_SETGID", "CAP_SETUID"]
TEST = "busybox wget -q -O - http://127.0.0.1/ | grep -q 'Welcome to nginx'"


@pytest.mark.engine("runc")
@pytest.mark.long
@pytest.mark.timeout(1800)
def test_an_upgrade_of_nginx_is_cheap_to_search(
    search: Searcher, searched_nginx: Search, built: Callable[[str], str], tmp_path: Path
) -> None:
    old, new = built("nginx"), built("nginx-transparent")
    usual = ("--service", "--test", TEST, "--engine", "runc", "--confirm", "0")
    first = searched_nginx.result
    from_it = (*usual, "--from", str(searched_nginx.output))

    again = search(old, *from_it, output=tmp_path / "again").result
    kept = len(again["certificate"])
    assert again["capabilities"]["required"] == first["capabilities"]["required"] == NGINX
    assert again["syscalls"]["required"] == first["syscalls"]["required"]
    assert "rt_sigsuspend" in again["syscalls"]["degraded"]
    assert again["trials"]["total"] <= kept + 2

    upgraded = search(new, *from_it, output=tmp_path / "upgraded").result
    assert set(upgraded["capabilities"]["required"]) == {*NGINX, "CAP_NET_RAW"}
    assert {"CAP_NET_RAW", *NGINX} <= {entry["privilege"] for entry in upgraded["certificate"]}
    assert upgraded["trials"]["total"] <= 2 * len(upgraded["certificate"])
