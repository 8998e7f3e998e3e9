"""What things are called in formats that name them."""

import re

from capmin.profile import Profile

_LONGEST = 63
"""A DNS label's length (RFC 1123), which bounds names in Kubernetes."""


def label(profile: Profile) -> str:
    """A name for a service, a pod, a profile: the one asked for, else after the image.

    Letters, digits and dashes: ``registry.example/team/web:1.2`` gives ``web``.
    """
    image = profile.image.partition("@")[0].rstrip("/").rpartition("/")[2]
    text = profile.name or image.partition(":")[0]
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_LONGEST].rstrip("-") or "image"
