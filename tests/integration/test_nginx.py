"""`capmin search` on the nginx workload, as `make demo` runs it.

- The capabilities are those of its expected.json, with exact proofs and with presumed ones.
"""

import json
from pathlib import Path

import pytest

from tests.integration.searching import Search, Searcher
from tests.integration.test_search import NGINX, answer, check_contract, check_files, check_proof

pytestmark = pytest.mark.engine("runc")

EXPECTED = Path(__file__).parents[2] / "workloads" / "nginx" / "expected.json"


@pytest.mark.long
def test_nginx(search: Searcher, searched_nginx: Search) -> None:
    found = searched_nginx
    assert found.result["capabilities"]["required"] == NGINX
    check_contract(found.result)
    check_proof(found)
    check_files(found)
    assert not any("proof" in entry for entry in found.result["certificate"])
    options = ("--workload", "workloads/nginx", "--engine", "runc", "--confirm", "1")
    presumed = search(*options, "--proofs", "presumed")
    assert answer(presumed) == answer(found)
    check_proof(presumed)


def test_nginx_needs_what_is_known(searched_nginx: Search) -> None:
    known = json.loads(EXPECTED.read_text())["capabilities"]
    assert searched_nginx.result["capabilities"]["required"] == known
