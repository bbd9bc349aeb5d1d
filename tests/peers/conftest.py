"""What the engines get: the image `host` as an archive, the two runtimes by their paths; and command lines."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import leaks, needs

RUNTIMES = {"ringrun": str(Path(sys.executable).parent / "ringrun"), "runc": shutil.which("runc") or "runc"}
CGROUPS = Path("/sys/fs/cgroup")


class Output:
    """What a command printed and how it ended."""

    def __init__(self, status: int, stdout: str, stderr: str) -> None:
        self.status = status
        self.stdout = stdout
        self.stderr = stderr

    def __repr__(self) -> str:
        return f"<exit {self.status}, stdout {self.stdout!r}, stderr {self.stderr!r}>"

    @property
    def lines(self) -> list[str]:
        return self.stdout.splitlines()


class Engine:
    """An engine's command line: a call runs it and gives its output; `ok` insists on success and gives its stdout."""

    def __init__(self, argv: list[str], environment: dict[str, str] | None = None) -> None:
        self.argv = argv
        self.environment = {"PATH": os.environ["PATH"], "HOME": "/root", **(environment or {})}

    def __call__(self, *arguments: str) -> Output:
        done = subprocess.run([*self.argv, *arguments], env=self.environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60)  # fmt: skip
        return Output(done.returncode, done.stdout, done.stderr)

    def ok(self, *arguments: str) -> str:
        output = self(*arguments)
        assert output.status == 0, output
        return output.stdout.strip()

    def on_a_terminal(self, *arguments: str) -> str:
        """Its output on a terminal of its own, of 30 lines and 99 columns."""
        command = f"stty rows 30 cols 99; exec {' '.join([*self.argv, *arguments])}"
        argv = ["script", "--quiet", "--return", "--command", command, "/dev/null"]
        reader, writer = os.pipe()  # never at its end, which script(1) would type as Ctrl-D before anybody listens
        try:
            done = subprocess.run(argv, env=self.environment, stdin=reader, capture_output=True, timeout=60)
        finally:
            os.close(reader)
            os.close(writer)
        assert done.returncode == 0, done.stdout
        return done.stdout.decode().replace("\r", "").replace("\0", "").replace("^@", "").replace("\b", "")


def wait_until(what: str, condition: Callable[[], object], seconds: float = 20) -> None:
    """Poll for what an engine does in its own time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def archive(host_root: Path) -> Iterator[Path]:
    """The image `host` as `ringfence save` writes it, for every engine to load."""
    from ringfence import Engine as Ours

    directory = Path(tempfile.mkdtemp(prefix="rf-archive-", dir="/tmp"))
    with Ours(root=str(host_root), state=str(host_root.parent / "state")) as engine:
        engine.save(["host"], str(directory / "host.tar"))
    yield directory / "host.tar"
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A directory for an engine's files; when the engine has gone nothing of it is left in the kernel."""
    needs.root()
    needs.program("runc")
    directory = Path(tempfile.mkdtemp(prefix="rf-", dir="/tmp"))
    groups, before = parents(), leaks.Census.take(directory)
    yield directory
    for mounted in _mounted_below(directory):
        subprocess.run(["umount", "--lazy", mounted], check=True)  # engines keep the mounts of their storage
    for group in sorted(parents() - groups, reverse=True):
        group.rmdir()
    leaks.assert_nothing_left(before, files=False)
    shutil.rmtree(directory)


def parents() -> set[Path]:
    """The cgroups that engines make above containers' and keep; podman keeps a pod's too, whatever the runtime."""
    names = ("*/libpod_parent", "*/libpod_parent/conmon", "*/default", "*/docker")
    kept = ("systemd/libpod_parent/*/", "unified/libpod_parent/*/")
    return {group for name in (*names, *kept) for group in CGROUPS.glob(name)}


def _mounted_below(directory: Path) -> list[str]:
    targets = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [target for target in reversed(targets) if target.startswith(f"{directory}/storage")]


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> str:
    """`ringrun`, and `runc` as the control."""
    return str(request.param)
