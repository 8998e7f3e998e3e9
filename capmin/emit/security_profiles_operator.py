"""A SeccompProfile of the security-profiles-operator (deploy/base-crds/crds/seccompprofile.yaml, v1).

It has no ``defaultErrnoRet``; the rules state every errno themselves (`capmin.seccomp.profile_for`).
"""

from typing import Any

from capmin.emit import provenance, yaml_text
from capmin.emit.names import label
from capmin.profile import Profile, Strictness


def emit(profile: Profile) -> str:
    """The YAML text.

    Raises:
        UsageError: system calls were not searched.
    """
    name = label(profile)
    if profile.strictness is not Strictness.MINIMAL:
        name += f"-{profile.strictness}"
    resource = {
        "apiVersion": "security-profiles-operator.x-k8s.io/v1",
        "kind": "SeccompProfile",
        "metadata": {"name": name},
        "spec": _spec(profile),
    }
    return (
        provenance.comment(profile)
        + f"# In a pod: seccompProfile: {{type: Localhost, localhostProfile: operator/{name}.json}}\n"
        + yaml_text.dump(resource)
    )


def _spec(profile: Profile) -> dict[str, Any]:
    document = profile.seccomp().to_oci()
    return {key: document[key] for key in ("defaultAction", "architectures", "syscalls")}
