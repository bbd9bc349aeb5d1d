"""Runtimes as commands, for tests that ask several the same question: ours, runc and crun, each in its own root."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

RINGRUN = [str(Path(sys.executable).with_name("ringrun"))]
NAMES = ("ringrun", "runc", "crun")


# crun 1.8.1 refuses a machine of cgroup v1 where v2 has a controller of its own (hugetlb, usually): it is shown none.
BLIND = "mount --bind /dev/null /sys/fs/cgroup/unified/cgroup.controllers 2>/dev/null; exec"
APART = ("unshare", "--mount", "--propagation", "private", "sh", "-c")


def program(name: str, directory: Path) -> str:
    """What --runtime takes for it: its name; of crun the path of a script in `directory`."""
    if name != "crun":
        return name
    script = directory / "crun"
    script.write_text(f"#!/bin/sh\nexec {' '.join(APART)} '{BLIND} crun \"$@\"' crun \"$@\"\n")
    script.chmod(0o755)
    return str(script)


class Command:
    """One runtime's command line with a state root below `directory`."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.root = directory / f"root-{name}"
        self.argv = [*(RINGRUN if name == "ringrun" else [name]), "--root", str(self.root)]
        self._prefix = [*APART, f'{BLIND} "$0" "$@"'] if name == "crun" else []

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
