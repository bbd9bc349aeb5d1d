"""A setting: one value to be written into one file of a cgroup, and the cgroup directory it belongs to."""

from __future__ import annotations

import os

from ringfence.linux import files

LENT = "user.ringfence.lent."  # an extended attribute of this name and a controller's: see lending.py
UNLIMITED = 1 << 62  # v1 shows "no limit" as a number close to 2**63, rounded down to pages


def gone(error: OSError) -> bool:
    """Whether a cgroup or its file is not there; ENODEV when it is removed between opening and reading."""
    import errno

    return error.errno in (errno.ENOENT, errno.ENODEV)


def unmarked(error: OSError) -> bool:
    """Whether a cgroup cannot have extended attributes (before Linux 5.7), or is not ours."""
    import errno

    return error.errno in (errno.EOPNOTSUPP, errno.EPERM, errno.EACCES)


class Setting:
    """Write `value` to `path`. `reason` names the field of the spec that asks for it, or says what it is for.

    With `optional` a kernel that refuses it (EACCES, EINVAL, ENOENT) gives a warning and not a failure.
    """

    __slots__ = ("optional", "path", "reason", "value")

    def __init__(self, path: str, value: str, reason: str, *, optional: bool = False) -> None:
        self.path = path
        self.value = value
        self.reason = reason
        self.optional = optional

    def __repr__(self) -> str:
        return f"<Setting {self.value!r} to {self.path} for {self.reason}{' (optional)' if self.optional else ''}>"


class Group:
    """One cgroup's directory in one hierarchy. It need not exist yet: then its files read as empty.

    `seen`: where what is read is noted, path → text.
    """

    __slots__ = ("path", "root", "seen")

    def __init__(self, path: str, root: str, seen: dict[str, str] | None = None) -> None:
        self.path = path
        self.root = root
        self.seen = seen

    def set(self, file: str, value: object, reason: str, *, optional: bool = False) -> Setting:
        return Setting(f"{self.path}/{file}", str(value), reason, optional=optional)

    def read(self, file: str) -> str:
        """The file's text without the last newline; empty if the file or the cgroup does not exist."""
        path = f"{self.path}/{file}"
        try:
            text = files.read(path).rstrip("\n")
        except OSError as error:
            if not gone(error):
                raise
            text = ""
        if self.seen is not None:
            self.seen[path] = text
        return text

    def limit(self, file: str) -> int:
        """A limit as a number; -1 for none, whichever way this kernel writes that, or if the file does not exist."""
        text = self.read(file)
        number = int(text) if text not in ("", "max") else -1
        return -1 if number >= UNLIMITED else number

    def number(self, file: str) -> int:
        return int(self.read(file) or 0)

    def table(self, file: str) -> dict[str, int]:
        """A "flat keyed" file, such as memory.stat: one key and one number in each line."""
        pairs = [line.rsplit(" ", 1) for line in self.read(file).splitlines()]
        return {key: int(value) for key, value in pairs}

    def lent(self) -> list[str]:
        """The controllers that we have switched on in it, for a time, for those below it."""
        try:
            return [name.removeprefix(LENT) for name in os.listxattr(self.path) if name.startswith(LENT)]
        except OSError as error:
            if not gone(error) and not unmarked(error):
                raise
            return []


class NewGroup(Group):
    """One that is to be made, or was made just now for what is being computed: nothing that it says counts."""

    def read(self, file: str) -> str:
        return ""
