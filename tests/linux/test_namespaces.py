"""The eight kinds of namespaces: named, numbered, opened, entered."""

from __future__ import annotations

import os
import socket
import threading

import pytest

from ringfence.errors import InvalidInput
from ringfence.linux import namespaces
from ringfence.linux.namespaces import Clone
from tests import needs
from tests.linux import child


def test_inodes_are_those_that_readlink_shows() -> None:
    for kind, number in namespaces.of("self").items():
        file = namespaces.KINDS[kind].file
        assert os.readlink(f"/proc/self/ns/{file}") == f"{file}:[{number}]"


def test_a_process_of_ours_shares_all_with_us() -> None:
    assert set(namespaces.same_as_host(os.getpid()).values()) == {True}


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InvalidInput, match='unknown namespace "mnt"'):
        namespaces.inode(1, "mnt")


@pytest.mark.parametrize("kind", namespaces.KINDS)
def test_the_kind_of_an_open_namespace_is_told(kind: str) -> None:
    with namespaces.open("self", kind) as namespace:
        assert namespaces.kind_of(namespace) == kind
        assert os.fstat(namespace).st_ino == namespaces.inode("self", kind)


def test_a_file_that_is_no_namespace_is_refused() -> None:
    with open("/proc/self/stat") as file, pytest.raises(OSError):
        namespaces.kind_of(file.fileno())


def test_unshare_makes_new_ones() -> None:
    needs.root()
    host = namespaces.of("self")

    def work() -> None:
        present = namespaces.of("self")
        changed = {kind for kind in present if present[kind] != host[kind]}
        assert changed == {"mount", "network", "uts", "ipc", "cgroup"}
        assert namespaces.same_as_host(os.getppid())["uts"] is False

    child.run(work, Clone.NEWNS | Clone.NEWNET | Clone.NEWUTS | Clone.NEWIPC | Clone.NEWCGROUP)


def test_entering_wants_the_right_kind() -> None:
    needs.root()

    def work() -> None:
        with namespaces.open(os.getppid(), "uts") as namespace:
            with pytest.raises(OSError) as caught:
                namespaces.enter(namespace, "network")
            assert caught.value.errno == 22
            namespaces.enter(namespace, "uts")
        assert namespaces.inode("self", "uts") == namespaces.inode(os.getppid(), "uts")

    child.run(work, Clone.NEWUTS)


def test_a_thread_of_its_own_keeps_the_change_to_itself() -> None:
    needs.root()
    host, count = socket.gethostname(), threading.active_count()

    def rename() -> str:
        namespaces.unshare(Clone.NEWUTS)
        socket.sethostname("elsewhere")
        return socket.gethostname()

    assert namespaces.on_own_thread(rename) == "elsewhere"
    assert (socket.gethostname(), threading.active_count()) == (host, count)


def test_what_the_thread_raises_is_raised_here() -> None:
    with pytest.raises(ZeroDivisionError):
        namespaces.on_own_thread(lambda: 1 // 0)
