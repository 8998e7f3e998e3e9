"""The document for ``docker run --security-opt seccomp=FILE``, which Podman and containerd read too.

Behaves alike on Docker 20.10, which drops ``defaultErrnoRet`` without a word, and later: every call of the
architecture is named in a rule that states its errno (`capmin.seccomp.profile_for`).
"""

import json
from typing import Any

from capmin.emit import provenance
from capmin.profile import Profile


def emit(profile: Profile) -> str:
    """The JSON text; its first rule's comment says where it comes from, as JSON has no comments.

    Raises:
        UsageError: system calls were not searched.
    """
    return json.dumps(_document(profile), indent=1) + "\n"


def _document(profile: Profile) -> dict[str, Any]:
    document = profile.seccomp().to_docker()
    first = document["syscalls"][0]
    if len(profile.architectures) > 1:
        # Docker takes the entry of its own architecture; 20.10 refuses both keys at once.
        names = document.pop("architectures")
        document["archMap"] = [{"architecture": name, "subArchitectures": []} for name in names]
    head = "; ".join(provenance.lines(profile))
    first["comment"] = f"{first['comment']}. {head}"
    return document
