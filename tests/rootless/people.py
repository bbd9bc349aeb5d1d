"""Ordinary users of this machine, made for the tests and removed after them, and commands run as one of them.

A user gets a copy of the package in a directory of its own: the tree that is tested may lie where nobody but root can
look, and so may the interpreter, instead of which the machine's own is then taken.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ringfence
from tests import needs

PROJECT = Path(ringfence.__file__).parent.parent
RUN = "import sys; from ringfence import command; command.run(sys.argv.pop(1))"
"""As native/command.c, but with the package that PYTHONPATH names."""
FIRST, COUNT = 2_000_000_000, 65536
"""Subordinate ids that no distribution hands out."""


class Person:
    """A user: `uid`, `name`, its home `home`, and its commands."""

    def __init__(self, name: str, *, subordinate: bool) -> None:
        self.name = name
        self.home = Path(tempfile.mkdtemp(prefix="rf-home-", dir="/tmp"))
        self.home.chmod(0o755)
        useradd = ["useradd", "--no-create-home", "--no-log-init", "--home-dir", str(self.home), "--shell", "/bin/sh",
                   "-K", "SUB_UID_COUNT=0", "-K", "SUB_GID_COUNT=0"]  # fmt: skip
        subprocess.run([*useradd, name], check=True, capture_output=True)
        if subordinate:
            rows = f"{FIRST}-{FIRST + COUNT - 1}"
            subprocess.run(["usermod", "--add-subuids", rows, "--add-subgids", rows, name], check=True)
        self.uid = int(subprocess.check_output(["id", "-u", name]))
        self.gid = int(subprocess.check_output(["id", "-g", name]))
        self.runtime_directory = self.home / "run"
        self.runtime_directory.mkdir(mode=0o700)
        _install(self.home / "lib")
        subprocess.run(["chown", "-R", f"{self.uid}:{self.gid}", self.home], check=True)
        self.python = self._interpreter()

    def _interpreter(self) -> str:
        for python in (sys.executable, "/usr/bin/python3"):
            script = f"import sys; assert sys.version_info[:2] == {sys.version_info[:2]}"
            if os.path.exists(python) and self("env", python, "-c", script).returncode == 0:
                return python
        needs.missing("an interpreter of this version that an ordinary user may execute")
        return ""

    def __call__(self, *argv: str | Path, environment: dict[str, str] | None = None,
                 **options: Any) -> subprocess.CompletedProcess[str]:  # fmt: skip
        """Run a command as this user; output as text, never an exception for its exit status."""
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("capture_output", True)
        return subprocess.run([*map(str, argv)], **self.identity(environment), **options, text=True, timeout=100)

    def identity(self, environment: dict[str, str] | None = None) -> dict[str, Any]:
        """What makes a subprocess this user's."""
        own = {
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(self.home),
            "XDG_RUNTIME_DIR": str(self.runtime_directory),
            "PYTHONPATH": str(self.home / "lib"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return {"user": self.uid, "group": self.gid, "extra_groups": [], "cwd": self.home,
                "env": {**own, **(environment or {})}}  # fmt: skip

    def argv(self, program: str) -> list[str]:
        """The beginning of a command line of ours."""
        return [self.python, "-c", RUN, program]

    def ringfence(self, *words: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        return self(*self.argv("ringfence"), *words, **options)

    def ringrun(self, *words: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        return self(*self.argv("ringrun"), *words, **options)

    def run(self, *words: str | Path) -> str:
        """`ringfence run --rm` of a program that succeeds: what it prints."""
        done = self.ringfence("run", "--rm", *words)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    def pids(self) -> Iterator[int]:
        """Its live processes, those with subordinate ids included."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    status = (entry / "status").read_text()
                except OSError:
                    continue
                fields = dict(line.split(":", 1) for line in status.splitlines())
                uid = int(fields["Uid"].split()[0])
                if (uid == self.uid or FIRST <= uid < FIRST + COUNT) and "Z" not in fields["State"]:
                    yield int(entry.name)

    def processes(self) -> list[str]:
        """The names of its processes."""
        return sorted(Path(f"/proc/{pid}/comm").read_text().strip() for pid in self.pids())

    def leave(self) -> None:
        """End all its processes and remove the user, with its files."""
        deadline = time.monotonic() + 10
        while pids := list(self.pids()):
            assert time.monotonic() < deadline, pids
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        subprocess.run(["userdel", self.name], check=True, capture_output=True)
        shutil.rmtree(self.home)


def _install(target: Path) -> None:
    """The package and what it imports, for everybody to read."""
    shutil.copytree(PROJECT / "ringfence", target / "ringfence")  # with what is compiled: nobody writes it there
    for name in ("isal", "backports"):
        found = importlib.util.find_spec(name)
        for place in found.submodule_search_locations or () if found else ():
            shutil.copytree(place, target / name, dirs_exist_ok=True)
