"""System calls that the standard library does not offer, one typed function each; the C library is bound here alone.

A failed call raises OSError with its paths (so Python picks FileNotFoundError, PermissionError, ...) and a note that
shows the call with its arguments. Flags are plain ints here: their names live in the facility's own module. Every call
has its own function object, because ctypes without a prototype cuts ints to 32 bits and a prototype set on a shared
object would leak to the other users of the symbol. ctypes is loaded by the first call: its import costs a start 2 ms,
and most commands leave all such calls to the helper.
"""

from __future__ import annotations

import errno
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    StrPath: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]

AT_FDCWD = -100

# From 403 on, numbers are the same on every architecture; the C library's own wrappers are too young to rely on.
_NUMBERS = {
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "close_range": 436,
    "openat2": 437,
    "pidfd_getfd": 438,
    "mount_setattr": 442,
}
_OLDER_NUMBERS = {
    "x86_64": {"seccomp": 317, "bpf": 321, "pivot_root": 155, "renameat2": 316},
    "aarch64": {"seccomp": 277, "bpf": 280, "pivot_root": 41, "renameat2": 276},
}


class _Struct(bytes):
    """A structure for the kernel that remembers its fields, for the note of an error."""

    fields: tuple[int | bytes, ...]

    def __new__(cls, layout: str, *fields: int | bytes) -> _Struct:
        structure = super().__new__(cls, struct.pack(layout, *fields))
        structure.fields = fields
        return structure


class _Call:
    """One C function with the types of its arguments, or with `system` the system call of that name by syscall(2)."""

    __slots__ = ("_function", "_name", "_number", "_types")

    def __init__(self, name: str, *types: str, system: bool = False) -> None:
        self._name = name
        self._number = _system_call_number(name) if system else 0
        self._types = types
        self._function: Any = None

    def __call__(self, *arguments: Any, path: StrPath | None = None, path2: StrPath | None = None) -> int:
        if self._number is None:
            raise NotImplementedError(f"the number of {self._name}(2) on {os.uname().machine} is not in the table")
        function = self._function or self._bind()
        result: int = function(self._number, *arguments) if self._number else function(*arguments)
        if result >= 0:
            return result
        from ctypes import get_errno

        number = get_errno()
        error = OSError(number, os.strerror(number), _shown(path), None, _shown(path2))
        error.add_note(f"{self._name}({', '.join(map(_argument, arguments))})")
        raise error

    def _bind(self) -> Any:
        import ctypes

        function = ctypes.CDLL(None, use_errno=True)["syscall" if self._number else self._name]
        types = [getattr(ctypes, f"c_{type}") for type in self._types]
        function.argtypes = [ctypes.c_long, *types] if self._number else types
        function.restype = ctypes.c_long if self._number else ctypes.c_int
        self._function = function
        return function


def _system_call_number(name: str) -> int | None:
    return _NUMBERS.get(name) or _OLDER_NUMBERS.get(os.uname().machine, {}).get(name)


def _encoded(path: StrPath | None) -> bytes | None:
    """The bytes that the kernel gets; EINVAL for what it could not get whole."""
    if path is None:
        return None
    try:
        encoded = os.fsencode(path)
    except UnicodeEncodeError:  # half of a surrogate pair, e.g. out of a JSON file
        encoded = b"\0"
    if b"\0" in encoded:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
    return encoded


def _shown(path: StrPath | None) -> str | None:
    return None if path is None else os.fsdecode(path)


def _argument(value: object) -> str:
    """One argument as a person reads it in the note of an error."""
    if value is None:
        return "NULL"
    if isinstance(value, _Struct):
        return "{" + ", ".join(map(_argument, value.fields)) + "}"
    if isinstance(value, bytes):
        text = os.fsdecode(value)
        return f'"{text}"' if len(text) <= 4096 and text.isprintable() else f"<{len(value)} bytes>"
    return str(int(value)) if isinstance(value, int) else "..."


_mount = _Call("mount", "char_p", "char_p", "char_p", "ulong", "char_p")
_umount2 = _Call("umount2", "char_p", "int")
_pivot_root = _Call("pivot_root", "char_p", "char_p", system=True)
_open_tree = _Call("open_tree", "int", "char_p", "uint", system=True)
_move_mount = _Call("move_mount", "int", "char_p", "int", "char_p", "uint", system=True)
_fsopen = _Call("fsopen", "char_p", "uint", system=True)
_fsconfig = _Call("fsconfig", "int", "uint", "char_p", "char_p", "int", system=True)
_fsmount = _Call("fsmount", "int", "uint", "uint", system=True)
_mount_setattr = _Call("mount_setattr", "int", "char_p", "uint", "char_p", "ulong", system=True)
_openat2 = _Call("openat2", "int", "char_p", "char_p", "ulong", system=True)
_close_range = _Call("close_range", "uint", "uint", "uint", system=True)
_renameat2 = _Call("renameat2", "int", "char_p", "int", "char_p", "uint", system=True)
_syncfs = _Call("syncfs", "int")
_inotify_init1 = _Call("inotify_init1", "int")
_inotify_add_watch = _Call("inotify_add_watch", "int", "char_p", "uint")
_unshare = _Call("unshare", "int")
_setns = _Call("setns", "int", "int")
_prctl = _Call("prctl", "int", "ulong", "ulong", "ulong", "ulong")
_seccomp = _Call("seccomp", "uint", "uint", "void_p", system=True)
_pidfd_getfd = _Call("pidfd_getfd", "int", "int", "uint", system=True)
_setfsuid = _Call("setfsuid", "uint")
_setfsgid = _Call("setfsgid", "uint")
_bpf = _Call("bpf", "int", "void_p", "uint", system=True)


def mount(source: StrPath | None, target: StrPath, type: str | None, flags: int, data: str | bytes | None) -> None:
    """mount(2)."""
    _mount(_encoded(source), _encoded(target), _encoded(type), flags, _encoded(data), path=source, path2=target)


def umount2(target: StrPath, flags: int) -> None:
    """umount2(2)."""
    _umount2(_encoded(target), flags, path=target)


def pivot_root(new_root: StrPath, put_old: StrPath) -> None:
    """pivot_root(2)."""
    _pivot_root(_encoded(new_root), _encoded(put_old), path=new_root, path2=put_old)


def open_tree(directory: int, path: StrPath, flags: int) -> int:
    """open_tree(2); the returned descriptor is the caller's."""
    return _open_tree(directory, _encoded(path), flags, path=path)


def move_mount(from_directory: int, from_path: StrPath, to_directory: int, to_path: StrPath, flags: int) -> None:
    """move_mount(2)."""
    _move_mount(
        from_directory, _encoded(from_path), to_directory, _encoded(to_path), flags, path=from_path, path2=to_path
    )


def fsopen(type: str, flags: int) -> int:
    """fsopen(2); the returned descriptor is the caller's."""
    return _fsopen(_encoded(type), flags, path=type)


def fsconfig(context: int, command: int, key: str | None, value: StrPath | None, auxiliary: int = 0) -> None:
    """fsconfig(2); what the kernel says about a failure in the context's log becomes a note of the error."""
    try:
        _fsconfig(context, command, _encoded(key), _encoded(value), auxiliary, path=value)
    except OSError as error:
        for message in _context_messages(context):
            error.add_note(message)
        raise


def fsmount(context: int, flags: int, attributes: int) -> int:
    """fsmount(2); the returned descriptor is the caller's."""
    return _fsmount(context, flags, attributes)


def mount_setattr(
    directory: int, path: StrPath, flags: int, set: int, clear: int, propagation: int, userns: int
) -> None:
    """mount_setattr(2) with a struct mount_attr of its first version (32 bytes)."""
    attributes = _Struct("=QQQQ", set, clear, propagation, userns)
    _mount_setattr(directory, _encoded(path), flags, attributes, len(attributes), path=path)


def openat2(directory: int, path: StrPath, flags: int, mode: int, resolve: int) -> int:
    """openat2(2) with a struct open_how of its first version (24 bytes); the returned descriptor is the caller's."""
    how = _Struct("=QQQ", flags, mode, resolve)
    return _openat2(directory, _encoded(path), how, len(how), path=path)


def close_range(first: int, last: int, flags: int) -> None:
    """close_range(2)."""
    _close_range(first, last, flags)


def renameat2(from_directory: int, from_path: StrPath, to_directory: int, to_path: StrPath, flags: int) -> None:
    """renameat2(2)."""
    _renameat2(
        from_directory, _encoded(from_path), to_directory, _encoded(to_path), flags, path=from_path, path2=to_path
    )


def syncfs(descriptor: int) -> None:
    """syncfs(2): write the whole file system of `descriptor` to its disk."""
    _syncfs(descriptor)


def inotify_init1(flags: int) -> int:
    """inotify_init1(2): a descriptor for watches."""
    return _inotify_init1(flags)


def inotify_add_watch(descriptor: int, path: StrPath, mask: int) -> int:
    """inotify_add_watch(2): the number of the watch."""
    return _inotify_add_watch(descriptor, _encoded(path), mask, path=path)


def unshare(flags: int) -> None:
    """unshare(2), for the calling thread."""
    _unshare(flags)


def setns(descriptor: int, type: int) -> None:
    """setns(2), for the calling thread."""
    _setns(descriptor, type)


def prctl(option: int, argument2: int = 0, argument3: int = 0, argument4: int = 0, argument5: int = 0) -> int:
    """prctl(2) for the options whose arguments are numbers."""
    return _prctl(option, argument2, argument3, argument4, argument5)


def setfsuid(uid: int) -> None:
    """setfsuid(2), for the calling thread; it tells of no error."""
    _setfsuid(uid)


def setfsgid(gid: int) -> None:
    """setfsgid(2), for the calling thread; it tells of no error."""
    _setfsgid(gid)


def seccomp_set_filter(program: bytes, flags: int) -> int:
    """seccomp(2) SECCOMP_SET_MODE_FILTER: `program` is an array of struct sock_filter; returns 0 or a listener."""
    import ctypes

    instructions = ctypes.create_string_buffer(program, len(program))
    header = _Struct("@HP", len(program) // 8, ctypes.addressof(instructions))
    return _seccomp(1, flags, header)


def seccomp_knows(flags: int) -> bool:
    """Whether this kernel's SECCOMP_SET_MODE_FILTER knows these flags: it looks at them before the program."""
    try:
        _seccomp(1, flags, None)
    except OSError as error:
        return error.errno == errno.EFAULT
    return False


def pidfd_getfd(process: int, number: int) -> int:
    """pidfd_getfd(2): a duplicate of another process's descriptor, close-on-exec."""
    return _pidfd_getfd(process, number, 0)


def bpf_prog_load(type: int, instructions: bytes, license: str = "", attach_type: int = 0) -> int:
    """bpf(2) BPF_PROG_LOAD; the returned descriptor is the caller's; the verifier's log is a note of the error."""
    import ctypes

    code = ctypes.create_string_buffer(instructions, len(instructions))
    name = ctypes.create_string_buffer(license.encode())
    log = ctypes.create_string_buffer(16384)

    def load(level: int) -> int:
        where, size = (ctypes.addressof(log), len(log)) if level else (0, 0)
        return _bpf_command(5, "=IIQQIIQII16sII", type, len(instructions) // 8, ctypes.addressof(code),
                            ctypes.addressof(name), level, size, where, 0, 0, b"", 0, attach_type)  # fmt: skip

    try:
        return load(0)
    except OSError as error:
        try:
            return load(1)  # once more only to be told why: a log slows every load and overflows on long programs
        except OSError:
            if log.value:
                error.add_note(log.value.decode(errors="replace"))
        raise


def bpf_prog_attach(target: int, program: int, attach_type: int, flags: int = 0, replace: int = 0) -> None:
    """bpf(2) BPF_PROG_ATTACH of a loaded program to a cgroup's directory descriptor."""
    _bpf_command(8, "=IIIII", target, program, attach_type, flags, replace)


def _bpf_command(command: int, layout: str, *values: int | bytes) -> int:
    attributes = _Struct(layout, *values)
    return _bpf(command, attributes, len(attributes))


def _context_messages(context: int) -> list[str]:
    """The messages waiting in a file system context, e.g. 'e overlay: No changes allowed in reconfigure'."""
    messages = []
    for _ in range(16):
        try:
            message = os.read(context, 8192)
        except OSError:  # ENODATA: that was the last; any other failure must not hide the one being reported
            break
        messages.append(message.decode(errors="replace").strip())
    return messages
