"""Mount options: the flags of the kernel's calls and the words people write for them, as in mount(8) and the OCI spec.

Source: runtime-spec, config.md "Linux mount options"; mount(2); mount_setattr(2).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class MountFlag:
    """MS_*: the flags of mount(2)."""

    RDONLY = 1
    NOSUID = 2
    NODEV = 4
    NOEXEC = 8
    SYNCHRONOUS = 16
    REMOUNT = 32
    MANDLOCK = 64
    DIRSYNC = 128
    NOSYMFOLLOW = 256
    NOATIME = 1024
    NODIRATIME = 2048
    BIND = 4096
    MOVE = 8192
    REC = 16384
    SILENT = 32768
    UNBINDABLE = 1 << 17
    PRIVATE = 1 << 18
    SLAVE = 1 << 19
    SHARED = 1 << 20
    RELATIME = 1 << 21
    I_VERSION = 1 << 23
    STRICTATIME = 1 << 24
    LAZYTIME = 1 << 25


class MountAttr:
    """MOUNT_ATTR_*: the attributes of one mount, for mount_setattr(2) and fsmount(2)."""

    RDONLY = 0x1
    NOSUID = 0x2
    NODEV = 0x4
    NOEXEC = 0x8
    NOATIME = 0x10
    STRICTATIME = 0x20
    ATIME = 0x70  # the mask of the field that holds relatime (0), NOATIME or STRICTATIME
    NODIRATIME = 0x80
    IDMAP = 0x100000
    NOSYMFOLLOW = 0x200000


_SET = {
    "bind": MountFlag.BIND,
    "dirsync": MountFlag.DIRSYNC,
    "iversion": MountFlag.I_VERSION,
    "lazytime": MountFlag.LAZYTIME,
    "mand": MountFlag.MANDLOCK,
    "noatime": MountFlag.NOATIME,
    "nodev": MountFlag.NODEV,
    "nodiratime": MountFlag.NODIRATIME,
    "noexec": MountFlag.NOEXEC,
    "nosuid": MountFlag.NOSUID,
    "nosymfollow": MountFlag.NOSYMFOLLOW,
    "rbind": MountFlag.BIND | MountFlag.REC,
    "relatime": MountFlag.RELATIME,
    "remount": MountFlag.REMOUNT,
    "ro": MountFlag.RDONLY,
    "silent": MountFlag.SILENT,
    "strictatime": MountFlag.STRICTATIME,
    "sync": MountFlag.SYNCHRONOUS,
}
_CLEAR = {
    "async": MountFlag.SYNCHRONOUS,
    "atime": MountFlag.NOATIME,
    "defaults": 0,
    "dev": MountFlag.NODEV,
    "diratime": MountFlag.NODIRATIME,
    "exec": MountFlag.NOEXEC,
    "loud": MountFlag.SILENT,
    "noiversion": MountFlag.I_VERSION,
    "nolazytime": MountFlag.LAZYTIME,
    "nomand": MountFlag.MANDLOCK,
    "norelatime": MountFlag.RELATIME,
    "nostrictatime": MountFlag.STRICTATIME,
    "rw": MountFlag.RDONLY,
    "suid": MountFlag.NOSUID,
    "symfollow": MountFlag.NOSYMFOLLOW,
}
# Recursive attributes: (set, clear). The kernel refuses a change of the access time unless the whole field is cleared;
# each of the negative forms goes back to its default, relatime.
_RECURSIVE = {
    "ratime": (0, MountAttr.ATIME),
    "rdev": (0, MountAttr.NODEV),
    "rdiratime": (0, MountAttr.NODIRATIME),
    "rexec": (0, MountAttr.NOEXEC),
    "rnoatime": (MountAttr.NOATIME, MountAttr.ATIME),
    "rnodev": (MountAttr.NODEV, 0),
    "rnodiratime": (MountAttr.NODIRATIME, 0),
    "rnoexec": (MountAttr.NOEXEC, 0),
    "rnorelatime": (0, MountAttr.ATIME),
    "rnostrictatime": (0, MountAttr.ATIME),
    "rnosuid": (MountAttr.NOSUID, 0),
    "rnosymfollow": (MountAttr.NOSYMFOLLOW, 0),
    "rrelatime": (0, MountAttr.ATIME),
    "rro": (MountAttr.RDONLY, 0),
    "rrw": (0, MountAttr.RDONLY),
    "rstrictatime": (MountAttr.STRICTATIME, MountAttr.ATIME),
    "rsuid": (0, MountAttr.NOSUID),
    "rsymfollow": (0, MountAttr.NOSYMFOLLOW),
}
PROPAGATION = {
    "private": MountFlag.PRIVATE,
    "rprivate": MountFlag.PRIVATE | MountFlag.REC,
    "shared": MountFlag.SHARED,
    "rshared": MountFlag.SHARED | MountFlag.REC,
    "slave": MountFlag.SLAVE,
    "rslave": MountFlag.SLAVE | MountFlag.REC,
    "unbindable": MountFlag.UNBINDABLE,
    "runbindable": MountFlag.UNBINDABLE | MountFlag.REC,
}
EXTENSIONS = frozenset({"tmpcopyup", "idmap", "ridmap"})
KNOWN = sorted({*_SET, *_CLEAR, *_RECURSIVE, *PROPAGATION, *EXTENSIONS})

# What mount(2) sets on one mount by a flag, the new calls set by an attribute. Relatime is what no attribute means.
_ATTRIBUTES = {
    MountFlag.RDONLY: MountAttr.RDONLY,
    MountFlag.NOSUID: MountAttr.NOSUID,
    MountFlag.NODEV: MountAttr.NODEV,
    MountFlag.NOEXEC: MountAttr.NOEXEC,
    MountFlag.NOATIME: MountAttr.NOATIME,
    MountFlag.STRICTATIME: MountAttr.STRICTATIME,
    MountFlag.NODIRATIME: MountAttr.NODIRATIME,
    MountFlag.NOSYMFOLLOW: MountAttr.NOSYMFOLLOW,
}


class ParsedOptions:
    """What a list of option words asks for; a later word overrides an earlier one that contradicts it.

    flags_set, flags_cleared: for mount(2). attributes_set, attributes_cleared: for mount_setattr(2) with AT_RECURSIVE.
    propagation: in the order given, each one call of its own. data: words for the file system itself.
    extensions: of `EXTENSIONS`, for the runtime to carry out.
    """

    __slots__ = (
        "attributes_cleared",
        "attributes_set",
        "data",
        "extensions",
        "flags_cleared",
        "flags_set",
        "propagation",
    )

    def __init__(self) -> None:
        self.flags_set = 0
        self.flags_cleared = 0
        self.attributes_set = 0
        self.attributes_cleared = 0
        self.propagation: list[int] = []
        self.data: list[str] = []
        self.extensions: set[str] = set()


_parsed: dict[tuple[str, ...], ParsedOptions] = {}
_MOST_PARSED = 256


def parse_options(options: Iterable[str]) -> ParsedOptions:
    """Sort option words by what they ask of the kernel; a word nobody knows is data for the file system (B13).

    The answer is shared between callers, who only read it: containers of one engine repeat the same few lists.
    """
    words = tuple(options)
    found = _parsed.get(words)
    if found is None:
        if len(_parsed) >= _MOST_PARSED:
            _parsed.clear()
        found = _parsed[words] = _parse(words)
    return found


def _parse(options: Iterable[str]) -> ParsedOptions:
    parsed = ParsedOptions()
    for option in options:
        if option in _SET:
            parsed.flags_set |= _SET[option]
            parsed.flags_cleared &= ~_SET[option]
        elif option in _CLEAR:
            parsed.flags_set &= ~_CLEAR[option]
            parsed.flags_cleared |= _CLEAR[option]
        elif option in _RECURSIVE:
            set, clear = _RECURSIVE[option]
            parsed.attributes_set = parsed.attributes_set & ~clear | set
            parsed.attributes_cleared = parsed.attributes_cleared & ~set | clear
        elif option in PROPAGATION:
            parsed.propagation.append(PROPAGATION[option])
        elif option in EXTENSIONS:
            parsed.extensions.add(option)
        elif option:
            parsed.data.append(option)
    return parsed


_ACCESS_TIMES = MountFlag.NOATIME | MountFlag.RELATIME | MountFlag.STRICTATIME


def attributes(flags: int) -> int:
    """The mount attributes that the flags of mount(2) stand for; flags of the file system itself are left out.

    Of the three words for access times the kernel heeds strictatime before noatime before relatime.
    """
    found = 0
    for flag, attribute in _ATTRIBUTES.items():
        if flags & flag:
            found |= attribute
    return found & ~MountAttr.NOATIME if flags & MountFlag.STRICTATIME else found


def changes(options: ParsedOptions) -> tuple[int, int]:
    """What the flags set and clear on a mount that has attributes already, as mount_setattr(2) takes it.

    The access time is one field there, which must be cleared whole; nothing in it means relatime.
    """
    cleared = attributes(options.flags_cleared) & ~MountAttr.ATIME
    times = options.flags_set & _ACCESS_TIMES or options.flags_cleared & ~MountFlag.RELATIME & _ACCESS_TIMES
    return attributes(options.flags_set), cleared | (MountAttr.ATIME if times else 0)
