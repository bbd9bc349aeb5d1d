"""Seccomp filters that ask an agent: what it is sent, when, and what its answer does (conformance K12, K23, K24)."""

from __future__ import annotations

import array
import errno
import fcntl
import json
import os
import select
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ringfence.errors import RingfenceError
from ringfence.runtime.native import OciRuntime
from tests.bundles import Bundle, exec_in
from tests.runtime.peers import Command

RECEIVE, SEND = 0xC0502100, 0xC0182101  # SECCOMP_IOCTL_NOTIF_RECV and _SEND of linux/seccomp.h


class Agent:
    """Listens at `path`; refuses every system call that it is asked about with ENOTNAM."""

    def __init__(self, path: Path) -> None:
        self.told: list[dict[str, Any]] = []
        self.ended: list[bytes] = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(str(path))
        self.socket.listen()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                text, ancillary, _, _ = connection.recvmsg(10000, 100)
                if not text:  # a start that failed before its filter was loaded
                    continue
                self.told.append(json.loads(text))
                self.ended.append(connection.recv(1))  # b"": one message a connection, and then it is closed
            threading.Thread(target=self._answer, args=(array.array("i", ancillary[0][2])[0],), daemon=True).start()

    def _answer(self, listener: int) -> None:
        poll = select.poll()  # kernels before 6.11 wait in RECEIVE for ever when nobody is left
        poll.register(listener, select.POLLIN)
        while True:
            question = bytearray(80)
            try:
                if poll.poll(20000)[0][1] & select.POLLHUP:
                    raise OSError(errno.ENOENT, "nobody is left")
                fcntl.ioctl(listener, RECEIVE, question)
                fcntl.ioctl(listener, SEND, question[:8] + struct.pack("<qiI", 0, -errno.ENOTNAM, 0))
            except (OSError, IndexError):  # nobody is left to ask
                os.close(listener)
                return


@pytest.fixture
def agent(short_directory: Path) -> Iterator[Agent]:
    made = Agent(short_directory / "agent")
    yield made
    made.socket.shutdown(socket.SHUT_RDWR)
    made.thread.join(10)
    made.socket.close()


@pytest.fixture
def asking(bundle: Bundle, short_directory: Path) -> Bundle:
    bundle.spec["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": str(short_directory / "agent"),
        "listenerMetadata": "for the agent",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}],
    }
    bundle.shell("mkdir /x 2>&1 | grep -o 'Not a XENIX.*'")
    return bundle


@pytest.mark.parametrize("flags", [None, [], ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"], ["SECCOMP_FILTER_FLAG_TSYNC"]])
def test_the_agent_answers_for_the_kernel(
    asking: Bundle, runtime: OciRuntime, agent: Agent, flags: list[str] | None
) -> None:
    if flags is not None:
        asking.spec["linux"]["seccomp"]["flags"] = flags
    assert asking.run(runtime).stdout.strip() == os.strerror(errno.ENOTNAM)


def test_the_agent_is_sent_the_state_and_one_descriptor_a_connection(
    asking: Bundle, ringrun: Command, agent: Agent, short_directory: Path
) -> None:
    """As a container is created nothing is sent, for the filter is loaded at its start."""
    asking.shell("sleep 30").write()
    ringrun.detached("create", "--bundle", str(asking.path), "c1", output=short_directory / "out")
    assert agent.told == []
    assert ringrun("start", "c1").returncode == 0
    state = ringrun.state("c1")

    [told] = agent.told
    assert (told["ociVersion"], told["fds"], told["pid"]) == ("1.3.0", ["seccompFd"], state["pid"])
    assert told["metadata"] == "for the agent" and told["state"]["id"] == "c1"
    assert told["state"]["bundle"] == str(asking.path) and told["state"]["status"] in ("creating", "created")
    assert ringrun("exec", "c1", "true").returncode == 0
    assert len(agent.told) == 2 and agent.ended == [b"", b""], "each process has a filter, and its listener"


def test_an_exec_s_questions_are_answered_too(asking: Bundle, runtime: OciRuntime, agent: Agent) -> None:
    asking.shell("sleep 30").start(runtime)
    done = exec_in(runtime, asking, ["sh", "-c", "mkdir /y 2>&1"])
    assert os.strerror(errno.ENOTNAM) in done.stdout


def test_without_an_agent_nothing_starts(asking: Bundle, runtime: OciRuntime) -> None:
    with pytest.raises(RingfenceError, match=r"linux\.seccomp\.listenerPath"):
        asking.run(runtime)


def test_without_a_rule_that_asks_the_path_is_ignored(asking: Bundle, runtime: OciRuntime, agent: Agent) -> None:
    asking.spec["linux"]["seccomp"]["syscalls"] = []
    assert asking.shell("mkdir /x && echo made").run(runtime).stdout == "made\n"
    assert agent.told == []
