"""User and group id mappings (user_namespaces(7)) and subordinate ids (subuid(5))."""

from __future__ import annotations

import errno
import os

from ringfence.errors import InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ringfence.linux.filedescriptor import FileDescriptor

_MAXIMUM = 2**32 - 1  # (uid_t) -1 is no id


class IdMapping:
    """`size` ids from `container_id` on inside are those from `host_id` on outside."""

    __slots__ = ("container_id", "host_id", "size")

    def __init__(self, container_id: int, host_id: int, size: int) -> None:
        if not (container_id >= 0 and host_id >= 0 and size > 0 and max(container_id, host_id) + size <= _MAXIMUM):
            raise InvalidInput(f"id mapping {container_id} {host_id} {size} is outside of 0 to {_MAXIMUM - 1}")
        self.container_id = container_id
        self.host_id = host_id
        self.size = size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IdMapping) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash((self.container_id, self.host_id, self.size))

    def __str__(self) -> str:
        """The line of /proc/PID/uid_map."""
        return f"{self.container_id} {self.host_id} {self.size}"

    def __repr__(self) -> str:
        return f"IdMapping({self.container_id}, {self.host_id}, {self.size})"


class IdRange:
    """`size` ids from `start` on, e.g. a line of /etc/subuid."""

    __slots__ = ("size", "start")

    def __init__(self, start: int, size: int) -> None:
        self.start = start
        self.size = size

    @property
    def end(self) -> int:
        """The first id after the range."""
        return self.start + self.size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IdRange) and (self.start, self.size) == (other.start, other.size)

    def __hash__(self) -> int:
        return hash((self.start, self.size))

    def __repr__(self) -> str:
        return f"IdRange({self.start}, {self.size})"


def parse(text: str) -> list[IdMapping]:
    """The mappings in the text of /proc/PID/uid_map or gid_map."""
    mappings = []
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if len(fields) != 3 or not all(_is_number(field) for field in fields):
            raise InvalidInput(f'id map line {number}: "{line}" is not three numbers')
        mappings.append(IdMapping(*map(int, fields)))
    return mappings


def format(mappings: Iterable[IdMapping]) -> str:
    """The text to write into /proc/PID/uid_map or gid_map, in one write."""
    return "".join(f"{mapping}\n" for mapping in mappings)


def to_host(mappings: Iterable[IdMapping], container_id: int) -> int | None:
    """The id outside, or None if this one is not mapped."""
    for mapping in mappings:
        if 0 <= container_id - mapping.container_id < mapping.size:
            return mapping.host_id + container_id - mapping.container_id
    return None


def to_container(mappings: Iterable[IdMapping], host_id: int) -> int | None:
    """The id inside, or None if this one is not mapped."""
    for mapping in mappings:
        if 0 <= host_id - mapping.host_id < mapping.size:
            return mapping.container_id + host_id - mapping.host_id
    return None


def reverse(mappings: Iterable[IdMapping]) -> list[IdMapping]:
    """The mappings by which the ids outside become those inside."""
    return [IdMapping(mapping.host_id, mapping.container_id, mapping.size) for mapping in mappings]


def user_namespace(uids: Iterable[IdMapping], gids: Iterable[IdMapping]) -> FileDescriptor:
    """A new user namespace with these maps and no process in it, for an id-mapped mount; it lives by its descriptor.

    Only a process can make one, and only one with a single thread: a child does, and waits until it is mapped.
    """
    from ringfence.linux import namespaces

    made, ready = os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        try:
            namespaces.unshare(namespaces.Clone.NEWUSER)
            os.write(made[1], b"+")
            os.close(ready[1])
            os.read(ready[0], 1)
        finally:
            os._exit(0)
    try:
        os.close(made[1])
        if not os.read(made[0], 1):
            raise OSError(errno.ENOSPC, "no user namespace can be made")
        for file, mappings in (("uid_map", uids), ("gid_map", gids)):
            with open(f"/proc/{child}/{file}", "w") as map:
                map.write(format(mappings))
        return namespaces.open(child, "user")
    finally:
        for descriptor in (made[0], *ready):
            os.close(descriptor)
        os.waitpid(child, 0)


def subordinate(path: str, user: str, uid: int) -> list[IdRange]:
    """The ranges of /etc/subuid or /etc/subgid (`path`) that belong to a user, listed by name or by number.

    No such file: no ranges. InvalidInput names the line that cannot be read.
    """
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return []
    ranges = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        owner, *numbers = line.strip().split(":")
        if len(numbers) != 2 or not all(_is_number(field) for field in numbers):
            raise InvalidInput(f'{path}:{number}: "{line}" is not user:start:count')
        if owner in (user, str(uid)):
            ranges.append(IdRange(int(numbers[0]), int(numbers[1])))
    return ranges


def allocate(ranges: Sequence[IdRange], size: int, taken: Iterable[IdRange]) -> IdRange:
    """The first `size` ids in a row of `ranges` that touch none of `taken`; OSError ENOSPC if there are not so many."""
    occupied = sorted(taken, key=lambda used: used.start)
    for available in ranges:
        start = available.start
        for used in occupied:
            if used.start < start + size and start < used.end:
                start = used.end
        if start + size <= available.end:
            return IdRange(start, size)
    raise OSError(errno.ENOSPC, f"no {size} subordinate ids in a row are free")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
