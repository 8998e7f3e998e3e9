"""The pod says whether it meets Pod Security "restricted", by the standard's own rules, and if not why."""

from dataclasses import replace

import pytest

from capmin.emit import emit
from capmin.emit.kubernetes import restricted_violations
from capmin.errors import UsageError
from capmin.privileges.capability import Capability
from capmin.profile import Profile
from tests.unit.emit.readers import yaml
from tests.unit.emit.test_golden import golden_profile

BIND = frozenset({Capability("CAP_NET_BIND_SERVICE")})
MEETS = replace(golden_profile("nginx"), capabilities=BIND, user="1000:100", no_new_privileges=True)


def test_a_pod_that_meets_it_says_so() -> None:
    text = emit(MEETS, "kubernetes")
    assert '# Pod Security "restricted": met\n' in text
    pod = yaml(text)["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsGroup"]) == (1000, 100)
    context = pod["containers"][0]["securityContext"]
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}
    assert pod["securityContext"]["seccompProfile"]["type"] == "Localhost"


@pytest.mark.parametrize(
    ("profile", "why"),
    [
        (replace(MEETS, capabilities=BIND | {Capability("CAP_CHOWN")}), "it needs CHOWN"),
        (replace(MEETS, capabilities=None), "capabilities were not searched, so they are not dropped"),
        (replace(MEETS, user=""), "it runs as root"),
        (replace(MEETS, user="root:100"), "it runs as root"),
        (replace(MEETS, user="0:0"), "it runs as root"),
        (
            replace(MEETS, user="www-data"),
            "the kubelet cannot tell that the image's user 'www-data' is not root",
        ),
        (
            replace(MEETS, no_new_privileges=False),
            "privilege escalation is not forbidden (try --no-new-privileges)",
        ),
    ],
)
def test_a_pod_that_does_not_says_why(profile: Profile, why: str) -> None:
    assert restricted_violations(profile) == [why]
    assert f'# Pod Security "restricted": not met, because {why}\n' in emit(profile, "kubernetes")


def test_without_a_search_of_system_calls_the_runtimes_filter_stays() -> None:
    pod = yaml(emit(replace(MEETS, required=None), "kubernetes"))["spec"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}


def test_what_the_api_server_refuses_is_refused_here() -> None:
    profile = replace(MEETS, capabilities=frozenset({Capability("CAP_SYS_ADMIN")}))
    with pytest.raises(UsageError, match="CAP_SYS_ADMIN with no-new-privileges"):
        emit(profile, "kubernetes")
