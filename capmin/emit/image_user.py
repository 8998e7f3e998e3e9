"""The user that an image names: ``NAME|UID[:GROUP|GID]`` (OCI image-spec, config.md)."""


def is_root(user: str) -> bool:
    """Whether that is root; an image that names none runs as root."""
    return user.partition(":")[0] in ("", "0", "root")


def numeric(user: str) -> tuple[int, int | None] | None:
    """The uid, and the gid where it is given; None where a name stands for one of them."""
    words = user.split(":")
    if not all(word.isascii() and word.isdigit() for word in words):
        return None
    return int(words[0]), int(words[1]) if len(words) > 1 else None
