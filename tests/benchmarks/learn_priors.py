"""Count what the searches of our own workloads found into the priors that ship with capmin.

    python -m tests.benchmarks.learn_priors RESULT_DIR...

Of each directory ``result.json`` is read: which system calls were used there, and which of them are needed.
"""

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PRIORS = Path(__file__).parents[2] / "capmin/privileges/needed_prior.json"


def main(directories: Sequence[str]) -> int:
    needed, used = Counter[str](), Counter[str]()
    for directory in directories:
        found = json.loads((Path(directory) / "result.json").read_text(encoding="utf-8"))["syscalls"]
        needed.update(found["required"])
        used.update({*found["required"], *found["observed"]})
    priors = json.loads(PRIORS.read_text(encoding="utf-8"))
    priors["ours_are"] = sorted(Path(directory).name for directory in directories)
    priors["ours"] = {name: [needed[name], used[name]] for name in sorted(used)}
    PRIORS.write_text(_readable(priors), encoding="utf-8")
    return 0


def _readable(priors: Mapping[str, Any]) -> str:
    """JSON with a line a key, and a line an entry of each table."""
    entries = []
    for key, value in priors.items():
        text = json.dumps(value)
        if isinstance(value, dict):
            rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(counts)}" for name, counts in value.items())
            text = f"{{\n{rows}\n }}"
        entries.append(f" {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(entries) + "\n}\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
