"""A monitored container, or exec session, as its owner sees it: over the control socket, by the attach protocol."""

from __future__ import annotations

import json
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ringfence.linux import sockets
from ringfence.runtime import helper
from ringfence.runtime.interface import Launch, Log, Monitoring
from ringfence.runtime.native import OciRuntime
from tests.bundles import Bundle

MESSAGE = 32769
MUSL = 400_000  # bytes of a helper that is linked with musl, at most; with glibc it has a megabyte


class Client:
    """One end of a monitor's socket. `output` is what came of both streams, in the order it came."""

    def __init__(self, connection: sockets.Socket) -> None:
        self.socket = connection
        self.socket.settimeout(60)
        self.output = b""
        self.record: dict[str, Any] = {}

    @classmethod
    def attach(cls, path: Path) -> Client:
        connection = sockets.Socket(sockets.AF_UNIX, sockets.SOCK_SEQPACKET)
        connection.connect(str(path))
        return cls(connection)

    def send(self, kind: bytes, payload: bytes = b"") -> None:
        self.socket.send(kind + payload)

    def resize(self, rows: int, columns: int) -> None:
        self.send(b"R", struct.pack("<HH", rows, columns))

    def receive(self) -> bytes:
        """The kind of the next message, b"" at the end."""
        message = self.socket.recv(MESSAGE)
        if message[:1] in (b"O", b"E"):
            self.output += message[1:]
        elif message[:1] == b"X":
            self.record = json.loads(message[1:])
        return message[:1]

    def until(self, text: bytes) -> bytes:
        """Read until `text` has come."""
        while text not in self.output:
            assert self.receive(), f"ended without {text!r}: {self.output[-200:]!r}"
        return self.output

    def end(self) -> int:
        """Read up to the exit record; the exit code."""
        while not self.record:
            assert self.receive(), f"ended without an exit record: {self.output[-200:]!r}"
        return int(self.record["exit_code"])

    def close(self) -> None:
        self.socket.close()


class Monitored:
    """A started container with its files next to the bundle."""

    def __init__(self, bundle: Bundle, runtime: OciRuntime, **monitoring: Any) -> None:
        directory = bundle.path.parent
        self.bundle = bundle
        self.runtime = runtime
        self.log = directory / "container.log"
        self.exit_file = directory / "exit.json"
        self.attach_socket = directory / "attach.sock"
        driver = monitoring.pop("driver", "none")
        rotation = {key: monitoring.pop(key) for key in ("max_size", "max_file") if key in monitoring}
        bundle.spec["process"]["terminal"] = bool(monitoring.get("terminal"))
        orders = Monitoring(
            log=Log(driver, str(self.log), **rotation),
            attach_socket=str(self.attach_socket),
            exit_file=str(self.exit_file),
            **monitoring,
        )
        started = runtime.start(Launch(bundle.id, bundle.spec, str(bundle.path), monitoring=orders))
        self.pid, self.monitor_pid = started.pid, started.monitor_pid
        self.owner = Client(started.control)

    def attach(self) -> Client:
        return Client.attach(self.attach_socket)

    def run(self) -> int:
        """To its end; the exit code, once the monitor has gone too."""
        code = self.owner.end()
        self.owner.close()
        self.gone()
        return code

    def gone(self, timeout: float = 10) -> None:
        """Wait until the monitor has ended."""
        eventually(lambda: not alive(self.monitor_pid), timeout)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def eventually(condition: Callable[[], bool], timeout: float = 10) -> None:
    """Wait until `condition` holds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.005)


def processor_time(pid: int) -> int:
    """In hundredths of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def pss(pid: int) -> int:
    """The proportional set size of a process in kB (proc(5), smaps_rollup); 0 when it has ended.

    Of a helper that is linked with glibc only what is no file's: its text, 700 kB, is one copy for a whole machine, but
    the few of a test would be charged all of it.
    """
    kinds = ("Pss:",) if os.path.getsize(helper.path()) < MUSL else ("Pss_Anon:", "Pss_Shmem:")
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except ProcessLookupError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(kinds))
