"""Asked is given, and nothing else: read back from the kernel.

- The bounding set of the program is the grant, whatever that is; root has it as effective set, too.
- Another user has nothing effective: Docker sets no ambient capabilities.
- `granted` says the same as the program's own /proc/self/status.
- What the host cannot give is an error, and no launch that fails.
"""

import pytest

from capmin.errors import EngineError
from capmin.grant import Grant
from capmin.privileges import Capability
from capmin.privileges.capability import CAPABILITIES, DOCKER_DEFAULT, from_mask
from tests.contract.conftest import Bench

CHOWN, SYS_ADMIN = Capability("CAP_CHOWN"), Capability("CAP_SYS_ADMIN")
GRANTS = {
    "nothing": frozenset[Capability](),
    "one": frozenset({CHOWN}),
    "docker's default": DOCKER_DEFAULT,
    "beyond it": frozenset({CHOWN, SYS_ADMIN}),
}


def masks(status: str) -> dict[str, frozenset[Capability]]:
    lines = (line.split() for line in status.splitlines() if line.startswith("Cap"))
    return {name.strip(":"): from_mask(int(mask, 16)) for name, mask in lines}


@pytest.mark.parametrize("capabilities", GRANTS.values(), ids=GRANTS)
def test_root_has_the_grant(bench: Bench, capabilities: frozenset[Capability]) -> None:
    read = masks(bench.output("cat", "/proc/self/status", grant=Grant(capabilities=capabilities)))
    assert read["CapBnd"] == read["CapEff"] == read["CapPrm"] == capabilities
    assert read["CapInh"] == read["CapAmb"] == frozenset()


def test_the_whole_ceiling_can_be_given(bench: Bench) -> None:
    ceiling = bench.engine.ceiling
    assert ceiling >= DOCKER_DEFAULT
    read = masks(bench.output("cat", "/proc/self/status", grant=Grant(capabilities=ceiling)))
    assert read["CapEff"] == ceiling


def test_another_user_has_it_as_bounding_set_only(bench: Bench) -> None:
    read = masks(bench.output("cat", "/proc/self/status", image=bench.configured(user="1000")))
    assert (read["CapBnd"], read["CapEff"]) == (DOCKER_DEFAULT, frozenset())


@pytest.mark.parametrize("user", ["", "1000"])
def test_granted_is_what_the_kernel_says(bench: Bench, user: str) -> None:
    grant = Grant(capabilities=frozenset({CHOWN}), syscalls=bench.engine.default_syscalls(frozenset({CHOWN})))
    with bench.engine.start(
        bench.spec("sleep", "600", image=bench.configured(user=user)), grant
    ) as container:
        granted = container.granted()
    assert granted is not None
    assert granted.bounding == {CHOWN}
    assert granted.effective == (frozenset() if user else {CHOWN})
    assert (granted.seccomp_mode, granted.no_new_privileges) == (2, False)


def test_more_than_the_ceiling_is_an_error(bench: Bench) -> None:
    for beyond in frozenset(CAPABILITIES) - bench.engine.ceiling:
        with pytest.raises(EngineError, match=beyond):
            bench.run("true", grant=Grant(capabilities=frozenset({beyond})))
