"""Write what the searches of our own workloads found into the priors that ship with capmin.

    python -m tests.benchmarks.learn_priors RESULT_DIR...

Of each directory ``result.json`` is read: which system calls were used there, and which of them are needed.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PRIORS = Path(__file__).parents[2] / "capmin/privileges/needed_prior.json"


def main(directories: Sequence[str]) -> int:
    priors = json.loads(PRIORS.read_text(encoding="utf-8"))
    priors["ours"] = [_entry(Path(directory)) for directory in sorted(directories)]
    PRIORS.write_text(_readable(priors), encoding="utf-8")
    return 0


def _entry(directory: Path) -> Mapping[str, str]:
    found = json.loads((directory / "result.json").read_text(encoding="utf-8"))["syscalls"]
    needed = frozenset(found["required"])
    return {
        "name": directory.name,
        "needed": " ".join(sorted(needed)),
        "unneeded": " ".join(sorted(frozenset(found["observed"]) - needed)),
    }


def _readable(priors: Mapping[str, Any]) -> str:
    """JSON with a line a key, and a line an entry of each list."""
    entries = []
    for key, value in priors.items():
        text = json.dumps(value)
        if isinstance(value, list):
            text = "[\n" + ",\n".join(f"  {json.dumps(entry)}" for entry in value) + "\n ]"
        entries.append(f" {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(entries) + "\n}\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
