"""Runtimes as commands, for tests that ask several the same question: ours, runc and crun, each in its own root."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

RINGRUN = [sys.executable, str(Path(__file__).parents[2] / "bin" / "ringrun")]
NAMES = ("ringrun", "runc", "crun")


def program(name: str, directory: Path) -> str:
    """What --runtime takes for it: its name; of crun the path of a script below `directory`, see Command."""
    if name != "crun":
        return name
    hierarchy, script = directory / "hugetlb", directory / "crun"
    hierarchy.mkdir()
    crun = shutil.which("crun")
    script.write_text(
        "#!/bin/sh\nexec unshare --mount --propagation private sh -c "
        f'\'mount -t cgroup -o hugetlb none {hierarchy} 2>/dev/null; exec {crun} "$@"\' crun "$@"\n'
    )
    script.chmod(0o755)
    return str(script)


class Command:
    """One runtime's command line with a state root below `directory`."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.root = directory / f"root-{name}"
        self.argv = [*(RINGRUN if name == "ringrun" else [name]), "--root", str(self.root)]
        self._prefix: list[str] = []
        if name == "crun":  # 1.8.1 refuses a machine whose hugetlb controller is not mounted (as v1)
            hierarchy = directory / "hugetlb"
            hierarchy.mkdir(exist_ok=True)
            mount = f'mount -t cgroup -o hugetlb none {hierarchy} 2>/dev/null; exec "$0" "$@"'
            self._prefix = ["unshare", "--mount", "--propagation", "private", "sh", "-c", mount]

    def __call__(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run `NAME ARGUMENTS`; output as text, never an exception for its exit status."""
        argv = [*self._prefix, *self.argv, *arguments]
        return subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, **options)

    def detached(self, *arguments: str, output: Path) -> int:
        """Run a command whose container keeps its streams (create, run -d): they go to a file. Its exit status."""
        with output.open("w") as stream:
            argv = [*self._prefix, *self.argv, *arguments]
            return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, timeout=60).returncode

    def state(self, id: str) -> dict[str, Any]:
        """The OCI state of a container."""
        document: dict[str, Any] = json.loads(self("state", id).stdout)
        return document

    def wait_for(self, id: str, status: str) -> dict[str, Any]:
        """Poll until the container has that status."""
        for _ in range(200):
            state = self.state(id)
            if state["status"] == status:
                return state
            time.sleep(0.02)
        raise AssertionError(f"{self.name}: container {id} is {state['status']} and not {status}")
