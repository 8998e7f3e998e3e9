"""What every emitted file says first: what made it, for which image, when, and from what."""

from capmin.profile import Profile
from capmin.result import timestamp


def lines(profile: Profile) -> tuple[str, ...]:
    """The head of a file, one line each, safe in a comment of any format.

    An image may have any name, also one with a line break in it, after which a comment would end and
    whatever follows be run.
    """
    made = f"Made by capmin {profile.capmin_version}"
    if profile.created is not None:
        made += f" on {timestamp(profile.created)}"
    confirmed = f"confirmed by {profile.confirmed_by}" if profile.confirmed_by else "not confirmed"
    return tuple(
        one_line(text)
        for text in (
            f"{made} from its result.json, strictness {profile.strictness}",
            f"for {profile.image}",
            f"digest {profile.digest}, architecture {profile.architecture}",
            f"searched by {profile.searched_by}, {confirmed}",
            *(f"mind: {warning}" for warning in profile.warnings),
        )
    )


def comment(profile: Profile, prefix: str = "# ") -> str:
    """The head, each line behind ``prefix`` and ended."""
    return "".join(f"{prefix}{line}\n" for line in lines(profile))


def one_line(text: str) -> str:
    """A text without line breaks and other control characters, which are spelt out."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
