"""The eight kinds of namespaces (namespaces(7)): their names, flags, inode numbers, and entering them."""

from __future__ import annotations

import os

from ringfence.errors import InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from ringfence.linux.filedescriptor import FileDescriptor

    Result = TypeVar("Result")


class Clone:
    """The CLONE_NEW* flags of clone(2), clone3(2), unshare(2) and setns(2)."""

    NEWTIME = 0x00000080
    NEWNS = 0x00020000
    NEWCGROUP = 0x02000000
    NEWUTS = 0x04000000
    NEWIPC = 0x08000000
    NEWUSER = 0x10000000
    NEWPID = 0x20000000
    NEWNET = 0x40000000


class Kind:
    """One kind: `name` in the OCI spec, `file` below /proc/PID/ns, `flag` for the system calls."""

    __slots__ = ("file", "flag", "name")

    def __init__(self, name: str, file: str, flag: int) -> None:
        self.name = name
        self.file = file
        self.flag = flag


KINDS = {
    kind.name: kind
    for kind in (
        Kind("user", "user", Clone.NEWUSER),
        Kind("mount", "mnt", Clone.NEWNS),
        Kind("pid", "pid", Clone.NEWPID),
        Kind("network", "net", Clone.NEWNET),
        Kind("ipc", "ipc", Clone.NEWIPC),
        Kind("uts", "uts", Clone.NEWUTS),
        Kind("cgroup", "cgroup", Clone.NEWCGROUP),
        Kind("time", "time", Clone.NEWTIME),
    )
}
_BY_FLAG = {kind.flag: kind for kind in KINDS.values()}
_INITIAL_USER = 0xEFFFFFFD  # PROC_USER_INIT_INO of linux/proc_ns.h: the same on every machine
_NS_GET_NSTYPE = 0xB703  # ioctl_ns(2)


def path(pid: int | str, kind: str) -> str:
    """The file that stands for the namespace of `kind` (the spec's name) of a process."""
    try:
        return f"/proc/{pid}/ns/{KINDS[kind].file}"
    except KeyError:
        raise InvalidInput(f'unknown namespace "{kind}"') from None


def inode(pid: int | str, kind: str) -> int:
    """The number that names the namespace, as in `readlink /proc/PID/ns/mnt`: mnt:[4026531841]."""
    return os.stat(path(pid, kind)).st_ino


def of(pid: int | str) -> dict[str, int]:
    """The inode of every namespace of a process by kind; a kind that this kernel lacks is left out."""
    inodes = {}
    present = os.listdir(f"/proc/{pid}/ns")
    for kind in KINDS.values():
        if kind.file in present:
            inodes[kind.name] = inode(pid, kind.name)
    return inodes


def privileged() -> bool:
    """Whether we are root of the initial user namespace, whom the kernel asks for what concerns the whole machine."""
    return os.geteuid() == 0 and inode("self", "user") == _INITIAL_USER


def same_as_host(pid: int) -> dict[str, bool]:
    """For every kind, whether a process shares it with us (what the engine itself runs in is the container's host)."""
    host = of("self")
    return {kind: number == host.get(kind) for kind, number in of(pid).items()}


def open(pid: int | str, kind: str) -> FileDescriptor:
    """A descriptor that keeps the namespace alive and that `enter` takes."""
    from ringfence.linux.filedescriptor import FileDescriptor

    return FileDescriptor(os.open(path(pid, kind), os.O_RDONLY | os.O_CLOEXEC))


def kind_of(descriptor: int) -> str:
    """The kind of an open namespace file; OSError ENOTTY if it is none."""
    import fcntl

    return _BY_FLAG[fcntl.ioctl(descriptor, _NS_GET_NSTYPE)].name


def enter(descriptor: int, kind: str) -> None:
    """setns(2) of the calling thread, only if the descriptor is of this kind (EINVAL otherwise)."""
    from ringfence.linux import _libc

    _libc.setns(descriptor, KINDS[kind].flag)


def unshare(flags: int) -> None:
    """Move the calling thread into new namespaces (NEWPID and NEWTIME: its children from now on)."""
    from ringfence.linux import _libc

    _libc.unshare(flags)


def on_own_thread(work: Callable[[], Result]) -> Result:
    """Do `work`, which enters or unshares namespaces, on a thread made for it: the thread takes the change to its end.

    Not for user namespaces (and so not for an ordinary user): the kernel wants a single thread for these.
    """
    import _thread  # `threading` takes 3 ms to import

    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # raised again below, where the caller is
            errors.append(error)
        finally:
            done.release()

    done = _thread.allocate_lock()
    done.acquire()
    _thread.start_new_thread(run, ())
    done.acquire()
    if errors:
        raise errors[0]
    return results[0]
