"""Ids for `--userns auto`: each container has a range of subordinate ids of its own, in its record."""

from __future__ import annotations

from ringfence.errors import Failed, Unsupported
from ringfence.linux import namespaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.engine.options import Options
    from ringfence.engine.records import ContainerRecord
    from ringfence.linux.idmap import IdRange

    Rows = list[tuple[int, int, int]]

SIZE = 65536
"""How many ids a container gets that does not say: those of a whole Debian, nobody (65534) included."""
OWNERS = ("ringfence", "containers")
"""Whose lines of /etc/subuid and /etc/subgid are ours; the second is podman's word."""
FALLBACK = (1 << 30, 1 << 29)
"""First id and number, where no line says: above what distributions hand out, below the sign bit."""


def allocate(records: Sequence[ContainerRecord], options: Options) -> tuple[Rows, Rows]:
    """The uid and gid rows (container id, host id, size) of a new container, disjoint from all `records`'."""
    if not namespaces.privileged():
        raise Unsupported("--userns auto: needs root, who alone may map the ids of mounts",
                          hint="an ordinary user's containers are in a user namespace in any case")  # fmt: skip
    asked = options.userns
    size = asked["size"] or SIZE
    uids = _rows("/etc/subuid", size, [row for record in records for row in record.uids], asked["uid"])
    gids = _rows("/etc/subgid", size, [row for record in records for row in record.gids], asked["gid"])
    return uids, gids


def _rows(path: str, size: int, taken: Sequence[Sequence[int]], fixed: Sequence[Sequence[int]]) -> Rows:
    """`fixed` rows as they were asked for, the other ids below `size` from a range of ours."""
    from ringfence.linux.idmap import IdRange, allocate

    try:
        found = allocate(_ranges(path), size, [IdRange(host, number) for _, host, number in taken])
    except OSError as error:
        raise Failed(f"--userns: no {size} subordinate ids are free", errno=error.errno or 0,
                     hint=f"remove containers, or give more in {path}") from None  # fmt: skip
    rows: Rows = []
    next = 0
    for container, host, number in sorted(tuple(row) for row in fixed):
        if container > next:
            rows.append((next, found.start + next, container - next))
        rows.append((container, host, number))
        next = container + number
    if next < size:
        rows.append((next, found.start + next, size - next))
    return rows


def _ranges(path: str) -> list[IdRange]:
    from ringfence.linux.idmap import IdRange, subordinate

    for owner in OWNERS:
        if found := subordinate(path, owner, -1):
            return found
    return [IdRange(*FALLBACK)]
