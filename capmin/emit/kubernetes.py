"""A pod with the security context of its one container, to take the two ``securityContext`` from.

Says whether the pod meets the Pod Security Standard "restricted"; the rules are those of
kubernetes/kubernetes:staging/src/k8s.io/pod-security-admission/policy/check_*.go.
"""

from typing import Any

from capmin.emit import provenance, yaml_text
from capmin.emit.files import file_name
from capmin.emit.image_user import is_root, numeric
from capmin.emit.names import label
from capmin.errors import UsageError
from capmin.profile import Profile

_ALLOWED = frozenset({"CAP_NET_BIND_SERVICE"})


def emit(profile: Profile) -> str:
    """The YAML text; with it goes the seccomp document, on every node."""
    return provenance.comment(profile) + _remarks(profile) + yaml_text.dump(_pod(profile))


def restricted_violations(profile: Profile) -> list[str]:
    """Why the pod does not meet "restricted", in words; empty where it does."""
    found = []
    if profile.capabilities is None:
        found.append("capabilities were not searched, so they are not dropped")
    elif beyond := sorted(profile.capabilities - _ALLOWED):
        found.append(f"it needs {', '.join(name.removeprefix('CAP_') for name in beyond)}")
    if not profile.no_new_privileges:
        found.append("privilege escalation is not forbidden (try --no-new-privileges)")
    if is_root(profile.user):
        found.append("it runs as root")
    elif numeric(profile.user) is None:
        found.append(f"the kubelet cannot tell that the image's user {profile.user!r} is not root")
    return found


def _remarks(profile: Profile) -> str:
    why = restricted_violations(profile)
    lines = [f'Pod Security "restricted": {"not met, because " + "; ".join(why) if why else "met"}']
    if profile.required is not None:
        name = file_name("docker-seccomp", profile.strictness)
        lines.append(f"Put {name} on every node as /var/lib/kubelet/seccomp/{_localhost_profile(profile)}")
    return "".join(f"# {provenance.one_line(line)}\n" for line in lines)


def _pod(profile: Profile) -> dict[str, Any]:
    name = label(profile)
    container: dict[str, Any] = {"name": name, "image": profile.image}
    if context := _container_context(profile):
        container["securityContext"] = context
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"securityContext": _pod_context(profile), "containers": [container]},
    }


def _pod_context(profile: Profile) -> dict[str, Any]:
    context: dict[str, Any] = {}
    identity = numeric(profile.user)
    if identity is not None and not is_root(profile.user):
        context["runAsNonRoot"] = True
        context["runAsUser"] = identity[0]
        if identity[1] is not None:
            context["runAsGroup"] = identity[1]
    context["seccompProfile"] = (
        {"type": "RuntimeDefault"}
        if profile.required is None
        else {"type": "Localhost", "localhostProfile": _localhost_profile(profile)}
    )
    return context


def _container_context(profile: Profile) -> dict[str, Any]:
    context: dict[str, Any] = {}
    if profile.no_new_privileges:
        if "CAP_SYS_ADMIN" in profile.granted:
            # The API server refuses the pair (pkg/apis/core/validation, ValidateSecurityContext).
            raise UsageError("Kubernetes forbids CAP_SYS_ADMIN with no-new-privileges: leave out one of them")
        context["allowPrivilegeEscalation"] = False
    if profile.capabilities is not None:
        context["capabilities"] = {"drop": ["ALL"]}
        if profile.capabilities:
            names = [name.removeprefix("CAP_") for name in sorted(profile.capabilities)]
            context["capabilities"]["add"] = names
    return context


def _localhost_profile(profile: Profile) -> str:
    """Relative to /var/lib/kubelet/seccomp."""
    suffix = file_name("docker-seccomp", profile.strictness).removeprefix("seccomp")
    return f"capmin/{label(profile)}{suffix}"
