"""`capmin explain` on a real search of nginx names, for each of its five capabilities, call and complaint.

The words are nginx's own (workloads/nginx/README.md), the calls those in which the kernel's check was seen.
"""

import json

import pytest

from capmin.cli import main
from capmin.observe import capability_trace
from tests.conftest import missing
from tests.integration.searching import Search

EXPECTED = {
    "CAP_CHOWN": ("chown", 'chown("/var/lib/nginx/body", 33) failed (1: Operation not permitted)'),
    "CAP_DAC_OVERRIDE": ("openat", 'open() "/var/log/nginx/error.log" failed (13: Permission denied)'),
    "CAP_NET_BIND_SERVICE": ("bind", "bind() to 0.0.0.0:80 failed (13: Permission denied)"),
    "CAP_SETGID": ("setgid", "setgid(33) failed (1: Operation not permitted)"),
    "CAP_SETUID": ("setuid", "setuid(33) failed (1: Operation not permitted)"),
}


@pytest.mark.engine("runc")
@pytest.mark.long
def test_each_capability_of_nginx_has_its_call_and_its_complaint(
    searched_nginx: Search, capsys: pytest.CaptureFixture[str]
) -> None:
    if (reason := capability_trace.available()) is not None:
        missing(reason)
    assert main(["explain", str(searched_nginx.output), "--format", "json"]) == 0
    explained = json.loads(capsys.readouterr().out)
    capabilities = [each for each in explained["privileges"] if each["privilege"].startswith("CAP_")]
    kept = {each["privilege"]: each for each in capabilities if each["kept"]}
    assert kept.keys() == EXPECTED.keys()
    for privilege, (call, complaint) in EXPECTED.items():
        assert (kept[privilege]["program"], kept[privilege]["call"]) == ("nginx", call)
        assert complaint in kept[privilege]["said"]
        assert kept[privilege]["scenario"] == "serves its page"
    unused = {each["privilege"] for each in explained["privileges"] if each["fate"] == "never used"}
    assert {"CAP_NET_RAW", "CAP_MKNOD", "CAP_KILL"} <= unused
    assert explained["unknown"] == []
