"""--ssh ID=KEY: an agent of ssh-agent(1) for the time of the build, which holds the keys of these files.

It ends with this process, by kill -9 too (prctl(2), PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import os
import signal

from ringfence.engine import scratch
from ringfence.errors import Failed, Unsupported
from ringfence.linux import _libc
from ringfence.linux.trees import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from subprocess import Popen

    from ringfence.engine import Engine

_SET_PARENT_DEATH_SIGNAL = 1  # linux/prctl.h
_PATIENCE = 10.0  # seconds until its socket is there


class Agent:
    """In a `with` block: the path of the agent's socket."""

    def __init__(self, engine: Engine, keys: Sequence[str]) -> None:
        self._engine = engine
        self._keys = keys
        self._directory = ""
        self._add_program: str | None = None
        self._process: Popen[bytes] | None = None

    def __enter__(self) -> str:
        import shutil
        import subprocess

        path = self._engine.environment.get("PATH", os.defpath)
        agent, self._add_program = (shutil.which(name, path=path) for name in ("ssh-agent", "ssh-add"))
        if agent is None or self._add_program is None:
            raise Unsupported("--ssh with a key needs the program ssh-agent", hint="give an agent's socket instead")
        self._directory = scratch.make(self._engine.state)
        socket = f"{self._directory}/agent"
        try:
            self._process = subprocess.Popen(
                [agent, "-D", "-a", socket], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE, preexec_fn=_die_with_parent,
            )  # fmt: skip
            self._wait_for(socket)
            for key in self._keys:
                self._add(socket, key)
        except BaseException:
            self.__exit__()
            raise
        return socket

    def __exit__(self, *_exception: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()
        if self._directory:
            remove_tree(self._directory)

    def _wait_for(self, socket: str) -> None:
        import time

        assert self._process is not None and self._process.stderr is not None
        end = time.monotonic() + _PATIENCE
        while not os.path.exists(socket):
            if self._process.poll() is not None:
                told = self._process.stderr.read().decode(errors="replace").strip().splitlines()
                raise Failed(f"ssh-agent does not start: {told[-1] if told else self._process.returncode}")
            if time.monotonic() > end:
                raise Failed("ssh-agent does not start: it makes no socket")
            time.sleep(0.005)

    def _add(self, socket: str, key: str) -> None:
        import subprocess

        assert self._add_program is not None
        environment = {"HOME": self._directory, "SSH_AUTH_SOCK": socket, "SSH_ASKPASS_REQUIRE": "never"}
        done = subprocess.run([self._add_program, "-q", key], env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, errors="replace", start_new_session=True)  # fmt: skip
        if done.returncode:
            told = (done.stderr.strip().splitlines() or [""])[0]
            if not told or "passphrase" in told:
                told = "it has a passphrase, which nobody can be asked for"
            raise Failed(f"--ssh: {key}: ssh-add: {told}", hint="add it to an agent, and give its socket")


def _die_with_parent() -> None:
    _libc.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
