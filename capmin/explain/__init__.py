"""Why each privilege is kept, and why each of the others could go: from what is on record.

Nothing is launched. What no observer saw is not known, and said so.
"""

from capmin.errors import UsageError
from capmin.explain.dropped import dropped, outside
from capmin.explain.evidence import Evidence
from capmin.explain.kept import kept
from capmin.explain.model import Explanation, Fate, Reason
from capmin.explain.render import RENDERERS
from capmin.privileges import Privilege
from capmin.privileges.capability import capability
from capmin.privileges.syscall import Syscall, table
from capmin.records import Records

__all__ = ["RENDERERS", "Explanation", "Fate", "Reason", "explain", "privilege_named"]


def explain(records: Records, privilege: Privilege | None = None) -> Explanation:
    """What became of every privilege in a campaign, and why; of one only where it is named.

    Args:
        records: one campaign, with its result.
        privilege: of either kind.

    Raises:
        UsageError: the records are of several campaigns, or have no result.
    """
    if len(records.names) != 1 or len(records.results) != 1:
        raise UsageError(
            f"explain one result at a time: name the directory of one of {', '.join(records.names)}"
        )
    evidence = Evidence(records)
    reasons = {reason.privilege: reason for reason in (*kept(evidence), *dropped(evidence))}
    if privilege is not None:
        reasons = {privilege: reasons.get(privilege) or outside(evidence, privilege)}
    return Explanation(
        image=evidence.result["image"]["reference"],
        digest=evidence.result["image"]["digest"],
        reasons=tuple(reasons.values()),
        alternatives=evidence.alternatives,
        unknown=tuple(evidence.unknown()),
    )


def privilege_named(text: str, architecture: str) -> Privilege:
    """A privilege as people write it: ``bind``, ``CAP_CHOWN``, ``CHOWN``.

    What is the name of both is a system call in small letters, and a capability otherwise.

    Raises:
        UsageError: there is neither a system call nor a capability of that name.
    """
    if Syscall(text) in table(architecture):
        return Syscall(text)
    try:
        return capability(text)
    except UsageError:
        raise UsageError(
            f"no system call and no capability is called {text!r} (syscalls(2) and capabilities(7) list them)"
        ) from None
