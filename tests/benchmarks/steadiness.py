"""The same search again and again: is the answer the same each time, on a busy machine, too?

    .venv/bin/python -m tests.benchmarks.steadiness [WORKLOAD] [TIMES]

By default apache, 20 times, capabilities only: its children die without CAP_SETUID, mostly at once and
sometimes after their first answer, so that a test which asks once gets either answer.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]


def capabilities(workload: Path, output: Path) -> str:
    """The answer of one search that knows nothing of those before; of one that fails, its last words."""
    argv = [sys.executable, "-m", "capmin", "search", "--workload", str(workload), "--engine", "runc"]
    argv += ["--no-syscalls", "--confirm", "0", "--fresh", "--output", str(output), "--format", "json"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return done.stderr.strip().splitlines()[-1]
    return " ".join(json.loads(done.stdout)["capabilities"]["required"]) or "none"


def main() -> None:
    """Print how often each answer was found."""
    name, times = (*sys.argv[1:], *("apache", "20")[len(sys.argv) - 1 :])
    answers = Counter[str]()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="capmin-steadiness-") as folder:
        for number in range(int(times)):
            answers[capabilities(ROOT / "workloads" / name, Path(folder, str(number)))] += 1
    took_s = time.monotonic() - started
    for answer, count in answers.most_common():
        print(f"{count:4} of {times}: {answer}")
    print(f"{name}: {took_s / int(times):.1f} s a search")


if __name__ == "__main__":
    main()
