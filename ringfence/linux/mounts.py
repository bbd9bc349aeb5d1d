"""Mounts: the value that says what to mount, and the kernel's calls that mount it (mount(2), fsopen(2), open_tree(2)).

A snapshotter returns `Mount` values and never mounts; the runtime turns them into operations of its plan.
"""

from __future__ import annotations

import errno
import os

from ringfence.linux import _libc
from ringfence.linux.filedescriptor import FileDescriptor
from ringfence.linux.mountoptions import (
    KNOWN,
    PROPAGATION,
    MountAttr,
    MountFlag,
    ParsedOptions,
    attributes,
    parse_options,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.linux._libc import StrPath

__all__ = [
    "KNOWN", "PROPAGATION", "FsMount", "FsOpen", "Mount", "MountAttr", "MountFlag", "MoveMount", "OpenTree",
    "ParsedOptions", "Umount", "attach_nowhere", "attributes", "fsconfig_create", "fsconfig_flag", "fsconfig_string",
    "fsmount", "fsopen", "id_mapped", "mount", "mount_setattr", "move_mount", "open_tree", "parse_options", "umount",
]  # fmt: skip

AT_FDCWD = _libc.AT_FDCWD
# fsconfig(2) takes a string of at most this many bytes, its end included.
_LONGEST_STRING = 256
# Flags of mount(2) that are the file system instance's own; the others are attributes of the mount.
_INSTANCE = {
    MountFlag.RDONLY: "ro",
    MountFlag.SYNCHRONOUS: "sync",
    MountFlag.DIRSYNC: "dirsync",
    MountFlag.LAZYTIME: "lazytime",
}


class OpenTree:
    """Flags of open_tree(2)."""

    CLONE = 1
    CLOEXEC = os.O_CLOEXEC
    EMPTY_PATH = 0x1000
    RECURSIVE = 0x8000


class MoveMount:
    """Flags of move_mount(2)."""

    F_SYMLINKS = 0x1
    F_EMPTY_PATH = 0x4
    T_SYMLINKS = 0x10
    T_EMPTY_PATH = 0x40


class FsOpen:
    """Flags of fsopen(2)."""

    CLOEXEC = 1


class FsMount:
    """Flags of fsmount(2)."""

    CLOEXEC = 1


class Umount:
    """Flags of umount2(2)."""

    FORCE = 1
    DETACH = 2
    EXPIRE = 4
    NOFOLLOW = 8


class _FsConfig:
    """Commands of fsconfig(2)."""

    SET_FLAG = 0
    SET_STRING = 1
    CMD_CREATE = 6


class Mount:
    """What to mount: a file system `type` (or "bind"), its `source`, its `options`, and where, if that is known yet.

    `options` are words as in mount(8); one word may hold a comma only where the file system takes it escaped.
    """

    __slots__ = ("options", "source", "target", "type")

    def __init__(self, type: str, source: str, options: Sequence[str] = (), target: str = "") -> None:
        self.type = type
        self.source = source
        self.options = list(options)
        self.target = target

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mount) and self._values() == other._values()

    def __repr__(self) -> str:
        target = f", {self.target!r}" if self.target else ""
        return f"Mount({self.type!r}, {self.source!r}, {self.options!r}{target})"

    def _values(self) -> tuple[str, str, list[str], str]:
        return self.type, self.source, self.options, self.target


def mount(
    source: StrPath | None, target: StrPath, type: str | None = None, flags: int = 0, data: str | None = None
) -> None:
    """mount(2)."""
    _libc.mount(source, target, type, flags, data)


def umount(target: StrPath, flags: int = Umount.NOFOLLOW) -> None:
    """umount2(2); by default it refuses to follow a symlink at the end of `target`."""
    _libc.umount2(target, flags)


def fsopen(type: str) -> FileDescriptor:
    """fsopen(2): a context in which a new instance of this file system is configured."""
    return FileDescriptor(_libc.fsopen(type, FsOpen.CLOEXEC))


def fsconfig_string(context: int, key: str, value: str) -> None:
    """Set `key=value` in a context; the kernel takes at most 255 bytes of value (EINVAL)."""
    _libc.fsconfig(context, _FsConfig.SET_STRING, key, value)


def fsconfig_flag(context: int, key: str) -> None:
    """Set the option `key` in a context, e.g. "ro"."""
    _libc.fsconfig(context, _FsConfig.SET_FLAG, key, None)


def fsconfig_create(context: int) -> None:
    """Make the instance that the context describes."""
    _libc.fsconfig(context, _FsConfig.CMD_CREATE, None, None)


def fsmount(context: int, attributes: int = 0) -> FileDescriptor:
    """fsmount(2): the instance as a mount that is attached nowhere; closing its descriptor unmounts it."""
    return FileDescriptor(_libc.fsmount(context, FsMount.CLOEXEC, attributes))


def open_tree(path: StrPath, flags: int = OpenTree.CLONE, directory: int = AT_FDCWD) -> FileDescriptor:
    """open_tree(2); with CLONE a copy that is attached nowhere, with RECURSIVE including what is mounted below."""
    return FileDescriptor(_libc.open_tree(directory, path, flags | OpenTree.CLOEXEC))


def move_mount(descriptor: int, target: StrPath, directory: int = AT_FDCWD, flags: int = 0) -> None:
    """Attach a mount of `open_tree` or `fsmount` at `target`; an empty target means `directory` itself."""
    empty = MoveMount.F_EMPTY_PATH if target else MoveMount.F_EMPTY_PATH | MoveMount.T_EMPTY_PATH
    _libc.move_mount(descriptor, "", directory, target, flags | empty)


def mount_setattr(
    descriptor: int, set: int = 0, clear: int = 0, *, recursive: bool = False, propagation: int = 0, userns: int = 0
) -> None:
    """mount_setattr(2) on an open mount. `propagation` is one MountFlag; `userns` an open user namespace for IDMAP."""
    flags = OpenTree.EMPTY_PATH | OpenTree.RECURSIVE if recursive else OpenTree.EMPTY_PATH
    _libc.mount_setattr(descriptor, "", flags, set, clear, propagation, userns)


def id_mapped(path: StrPath, userns: int) -> FileDescriptor:
    """The directory `path` as a mount attached nowhere on which a file of id n on disk has the id that n is outside of
    the user namespace `userns` (mount_setattr(2), MOUNT_ATTR_IDMAP). Its descriptor is an O_PATH one."""
    tree = open_tree(path)
    try:
        mount_setattr(tree, MountAttr.IDMAP, userns=userns)
    except OSError:
        tree.close()
        raise
    return tree


def attach_nowhere(mount: Mount) -> FileDescriptor:
    """Mount without a mount point: the directory descriptor of its root; closing the last descriptor unmounts it.

    For reading and writing a container's files from outside, e.g. by `paths.Root(attach_nowhere(mount))`.
    """
    options = parse_options(mount.options)
    if options.flags_set & MountFlag.BIND or mount.type == "bind":
        below = OpenTree.RECURSIVE if options.flags_set & MountFlag.REC else 0
        tree = open_tree(mount.source, OpenTree.CLONE | below)
        set = attributes(options.flags_set)
    else:
        tree = _new_instance(mount, options)
        set = 0
    try:
        if set:
            mount_setattr(tree, set, MountAttr.ATIME if set & MountAttr.ATIME else 0)
        if options.attributes_set or options.attributes_cleared:
            mount_setattr(tree, options.attributes_set, options.attributes_cleared, recursive=True)
        return _readable(tree)
    finally:
        tree.close()


def _new_instance(mount: Mount, options: ParsedOptions) -> FileDescriptor:
    with fsopen(mount.type) as context:
        try:
            if mount.source:
                fsconfig_string(context, "source", mount.source)
            for key, value in _settings(mount.type, options):
                if value is None:
                    fsconfig_flag(context, key)
                else:
                    fsconfig_string(context, key, value)
            fsconfig_create(context)  # where overlayfs before 6.5 finds out about keys that it does not know
        except OSError as error:
            if error.errno == errno.EINVAL and mount.type == "overlay":
                from ringfence.linux import overlay

                return overlay.mount_elsewhere(mount, options)
            raise
        return fsmount(context, attributes(options.flags_set))


def _settings(type: str, options: ParsedOptions) -> list[tuple[str, str | None]]:
    """Keys and values for fsconfig(2); an overlay's long stack of layers is given one by one (Linux 6.7 and later)."""
    settings: list[tuple[str, str | None]] = [
        (key, None) for flag, key in _INSTANCE.items() if options.flags_set & flag
    ]
    for word in options.data:
        key, separator, value = word.partition("=")
        if type == "overlay" and key == "lowerdir" and _too_long(word) and "\\" not in value:
            settings.extend(("lowerdir+", layer) for layer in value.split(":"))
        else:
            settings.append((key, value if separator else None))
    return settings


def _too_long(word: str) -> bool:
    return len(os.fsencode(word.partition("=")[2])) >= _LONGEST_STRING


def _readable(tree: FileDescriptor) -> FileDescriptor:
    """An ordinary directory descriptor for a mount's O_PATH one; it keeps the mount alive as well."""
    return FileDescriptor(os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=tree))
