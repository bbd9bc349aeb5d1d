"""What is mounted where in a mount namespace: /proc/PID/mountinfo (proc_pid_mountinfo(5))."""

from __future__ import annotations

from ringfence.errors import InvalidInput

# What the kernel writes as a backslash and three octal digits, so that fields stay apart (fs/proc_namespace.c).
_ESCAPED = " \t\n\\#"


class MountEntry:
    """One mounted file system: `root` is the part of it that is seen at `target`.

    `propagation` holds the optional fields, e.g. ["shared:2", "master:1"]; none of them means private.
    """

    __slots__ = (
        "device",
        "id",
        "options",
        "parent",
        "propagation",
        "root",
        "source",
        "super_options",
        "target",
        "type",
    )

    def __init__(self, line: str) -> None:
        fields = line.split(" ")
        try:
            separator = fields.index("-", 6)
            self.id, self.parent = int(fields[0]), int(fields[1])
            major, minor = fields[2].split(":")
            self.device = (int(major), int(minor))
            self.root, self.target = _unescape(fields[3]), _unescape(fields[4])
            self.options = fields[5].split(",")
            self.propagation = fields[6:separator]
            self.type, self.source, super_options = fields[separator + 1 : separator + 4]
        except ValueError:
            raise InvalidInput(f'not a line of mountinfo: "{line}"') from None
        self.type, self.source = _unescape(self.type), _unescape(self.source)
        self.super_options = [_unescape(option) for option in super_options.split(",")]

    def __repr__(self) -> str:
        return f"MountEntry({self.source!r} on {self.target!r} type {self.type!r})"


def parse(text: str) -> list[MountEntry]:
    """The entries in the text of a mountinfo file, in its order: what is mounted over comes before what covers it."""
    return [MountEntry(line) for line in text.split("\n") if line]


def read(pid: int | str = "self") -> list[MountEntry]:
    """What the process sees mounted; targets are relative to its root directory."""
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        return parse(file.read())


def _unescape(field: str) -> str:
    if "\\" not in field:
        return field
    for character in _ESCAPED.replace("\\", ""):
        field = field.replace(f"\\{ord(character):03o}", character)
    return field.replace("\\134", "\\")
