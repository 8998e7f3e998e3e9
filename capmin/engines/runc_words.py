"""What runc says when it cannot start a container, and the exit code that Docker makes of it."""

import json
import re
from pathlib import Path

REFUSED = 125
"""What `docker run` exits with where the runtime fails."""

_NOT_FOUND = 127
_NOT_EXECUTABLE = 126


def runc_words(log: Path) -> str | None:
    """The last error in runc's log (--log-format json); None where there is none."""
    words = None
    if log.exists():
        for line in log.read_text(errors="replace").splitlines():
            entry = json.loads(line)
            if entry.get("level") in ("error", "fatal"):
                words = str(entry["msg"])
    return words


def exit_code_for(words: str) -> int:
    """127 for a program that is not there, 126 for one that cannot be executed, `REFUSED` for the rest.

    As Docker's daemon reads the same words: moby daemon/start_unix.go and errors.go,
    translateContainerdStartErr. They are the program's only behind ``exec: "..."``; runc says "no such
    file or directory" of its own files, too.
    """
    match = re.search(r'exec: ".*": (.*)', words, re.DOTALL)
    reason = match[1].lower() if match else ""
    if "executable file not found" in reason or "no such file or directory" in reason:
        return _NOT_FOUND
    return _NOT_EXECUTABLE if "permission denied" in reason or "is a directory" in reason else REFUSED
