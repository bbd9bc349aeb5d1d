"""--ssh ID=KEY: an agent of ssh-agent(1) for the time of the build, which holds the keys of these files.

It runs around a program that ends with this process, by kill -9 too, and looks for that one every ten seconds. (It is
set-group-ID, for which the kernel forgets a signal at the parent's death.)
"""

from __future__ import annotations

import os
import signal

from ringfence.engine import scratch
from ringfence.errors import Failed, Unsupported
from ringfence.linux import pidfd
from ringfence.linux.trees import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from subprocess import Popen

    from ringfence.engine import Engine

_PATIENCE = 10.0  # seconds
_WAITING = ("sh", "-c", "echo $SSH_AGENT_PID; exec cat")


class Agent:
    """In a `with` block: the path of the agent's socket."""

    def __init__(self, engine: Engine, keys: Sequence[str]) -> None:
        self._engine = engine
        self._keys = keys
        self._directory = ""
        self._add_program: str | None = None
        self._process: Popen[bytes] | None = None
        self._pid = 0

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
            self._process = subprocess.Popen([agent, "-a", socket, *_WAITING], stdin=subprocess.PIPE,
                                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
            self._pid = self._started()
            for key in self._keys:
                self._add(socket, key)
        except BaseException:
            self.__exit__()
            raise
        return socket

    def __exit__(self, *_exception: object) -> None:
        if self._pid:
            with pidfd.open(self._pid) as agent:  # it waits for its child's end, so the pid is its own
                agent.send_signal(signal.SIGTERM)
                agent.wait(_PATIENCE)
        if self._process is not None:
            self._process.communicate()  # which closes its input
        if self._directory:
            remove_tree(self._directory)

    def _started(self) -> int:
        """The agent's pid, when it listens."""
        assert self._process is not None and self._process.stdout is not None and self._process.stderr is not None
        line = self._process.stdout.readline().strip()
        if not line.isdigit():
            told = self._process.stderr.read().decode(errors="replace").strip().splitlines()
            raise Failed(f"ssh-agent does not start: {told[-1] if told else 'it says nothing'}")
        return int(line)

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

