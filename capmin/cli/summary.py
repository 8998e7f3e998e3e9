"""The short summary that ends a search: the answer, how sure it is, what it cost, and where it is."""

from pathlib import Path

from capmin.result import Result


def summary(result: Result, directory: Path) -> str:
    """A few lines of plain text."""
    return "\n".join(
        [
            f"{result.image_reference} ({result.image_digest[:19]})",
            *_capabilities(result),
            *_syscalls(result),
            f"  proven        {_proof(result)}",
            f"  confirmed     {_confirmation(result)}",
            f"  cost          {_cost(result)}",
            *_waiting(result),
            f"  written to    {directory}/: {', '.join(sorted(result.files.values()))}",
        ]
    )


def _capabilities(result: Result) -> list[str]:
    if result.capabilities is None:
        return []
    names = sorted(name.removeprefix("CAP_") for name in result.capabilities.required)
    lines = [f"  capabilities  {len(names)}: {' '.join(names)}" if names else "  capabilities  none"]
    lines += [
        f"  or, riskier   {' '.join(sorted(name.removeprefix('CAP_') for name in other))}"
        for other in result.capabilities.alternatives
    ]
    if result.capabilities.alternatives_complete is False:
        lines.append("                there may be other sets: --alternatives N looks further")
    return lines


def _syscalls(result: Result) -> list[str]:
    if result.syscalls is None:
        return []
    found = result.syscalls
    used = f", {len(found.observed)} observed" if found.observed else ""
    return [f"  system calls  {len(found.required)} needed{used}, {len(found.floor)} for the runtime"]


def _proof(result: Result) -> str:
    presumed = sum(entry.presumed for entry in result.certificate)
    exact = len(result.certificate) - presumed
    words = f"{exact} of {len(result.kept)} by a launch that failed without just that one"
    return f"{words}, {presumed} by one that lacked more and died of it" if presumed else words


def _confirmation(result: Result) -> str:
    confirmation = result.confirmation
    if confirmation.runs == 0:
        return "no"
    share = f"{confirmation.passed} of {confirmation.runs}"
    return f"{share} launches of the files as written, on {result.confirm_engine}"


def _waiting(result: Result) -> list[str]:
    waited_s = result.trials.waited_s
    return (
        [f"  waiting       {waited_s:.1f} s, for launches to succeed or time to run out"] if waited_s else []
    )


def _cost(result: Result) -> str:
    trials = result.trials
    return f"{trials.total} trials (a certificate alone takes {trials.lower_bound}), {result.wall_s:.1f} s"
