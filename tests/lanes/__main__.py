"""`python -m tests.lanes LANE RESULTS`: run a lane's tests; RESULTS gets their output, closing line and exit status.

Tests that RESULTS/arguments names, an argument of pytest on each line, are run in place of the lane's own.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.lanes import LANES, VARIABLE


def main(name: str, results: Path) -> int:
    """The exit status; output goes to stdout as well, as it comes."""
    lane = LANES[name]
    chosen = (results / "arguments").read_text().split("\n")
    tests = [argument for argument in chosen if argument] or lane.tests
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--durations=15", *tests]
    lines = []
    with (
        open(results / "output", "w") as output,
        subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                         env={**os.environ, VARIABLE: name}) as pytest,
    ):  # fmt: skip
        assert pytest.stdout is not None
        for line in pytest.stdout:
            output.write(line)
            print(line, end="", flush=True)
            lines.append(line.strip())
    closing = next((line for line in reversed(lines) if re.search(r"\d+ (passed|failed|error)", line)), "no tests ran")
    found = re.search(r"(\d+) passed", closing)
    passed = int(found.group(1)) if found else 0
    status = pytest.returncode
    if not status and tests is lane.tests and passed < lane.at_least:
        closing, status = f"{closing}: fewer than the {lane.at_least} of tests/lanes/__init__.py", 1
    (results / "closing").write_text(f"lane {name}: {closing.strip('= ')}\n")
    (results / "status").write_text(f"{status}\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
