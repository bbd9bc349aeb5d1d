"""Shaping: how much containers may send (egress) and receive (ingress) in a second, one alone or several together.

All links of the containers that share a limit are sent through one pair of ifb devices, a pipe for each direction, at
the end that is outside of the containers, where nobody inside can change it. A pipe has an htb tree: a class for each
group, one below another, and a leaf for each container, which borrows what it sends from the classes above (tc-htb(8)).
A filter at each link's hooks says of which leaf a packet is. A container that shares with nobody has a pair of its own.

The kernel knows classes by numbers of 16 bits, so a ledger tells which group or container each is of. It is a file, and
its lock is the pipes'. Rates are bits per second, 0 for no limit; sizes are bytes.
"""

from __future__ import annotations

import errno
import fcntl
import os

from ringfence import json
from ringfence.linux.traffic import ROOT, TrafficConnection, handle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence, Set

DIRECTIONS = ("egress", "ingress")
_HOOKS = {"egress": "ingress", "ingress": "egress"}  # what a container sends comes in at the end that we have
_MAJOR = 1
_LAST_MINOR = 0xFFFF
_UNLIMITED = 10**12  # bits per second
_OWN = 8000  # bits per second: a class's own, so that it lives on what it borrows
_LONGEST_WAIT = 20  # a queue holds a twentieth of what passes in a second
_LEAST_BURST, _LEAST_QUEUE = 64 << 10, 256 << 10  # a packet before segmentation has 64 KiB
_MOST = 16 << 20  # bytes of burst or queue


class Limits:
    """The limits of a group or container. `burst`: bytes that may pass at once; 0 is what passes in 20 ms."""

    __slots__ = ("burst", "egress", "ingress")

    def __init__(self, egress: int = 0, ingress: int = 0, burst: int = 0) -> None:
        self.egress = egress
        self.ingress = ingress
        self.burst = burst

    def __bool__(self) -> bool:
        return bool(self.egress or self.ingress)

    def rate(self, direction: str) -> int:
        return self.egress if direction == "egress" else self.ingress


def shape(connection: TrafficConnection, directory: str, line: Sequence[tuple[str, Limits]],
          links: Iterable[int]) -> None:  # fmt: skip
    """Send the links of a container through the pipes of the first of `line`; make or change whatever that takes.

    `line` has (id, limits) of the groups that it is in, the highest first, and of itself. `directory` holds ledgers.
    Without any limit in the line nothing is made, but pipes that are there are used on.
    """
    ends = list(links)
    with Ledger(directory, line[0][0]) as ledger:
        for direction in DIRECTIONS:
            limited = any(limits.rate(direction) for _, limits in line)
            name = pipe_name(line[0][0], direction)
            if not limited and not _index(connection, name):
                continue
            numbers = [ledger.number(id) for id, _ in line]
            pipe = _make_pipe(connection, name)
            leaf = _set_classes(connection, pipe, direction, line, numbers)
            for link in ends:
                connection.new_clsact(link)
                connection.redirect(link, _HOOKS[direction], pipe, leaf, line[-1][0][:12])
        if not ledger.numbers:
            ledger.remove()


def forget(connection: TrafficConnection, directory: str, first: str, kept: Set[str]) -> None:
    """Remove the classes of all that is not `kept` from the pipes of `first`; if nothing is, the pipes."""
    with Ledger(directory, first) as ledger:
        gone = [id for id in ledger.numbers if id not in kept]
        if len(gone) == len(ledger.numbers):
            for direction in DIRECTIONS:
                pipe = _index(connection, pipe_name(first, direction))
                if pipe:
                    connection.delete_link(pipe)
            ledger.remove()
            return
        for direction in DIRECTIONS:
            pipe = _index(connection, pipe_name(first, direction))
            for id in reversed(gone) if pipe else ():  # one below another was entered after it
                _delete_class(connection, pipe, handle(_MAJOR, ledger.numbers[id]))
        for id in gone:
            del ledger.numbers[id]
        ledger.save()


def counters(connection: TrafficConnection, directory: str, first: str, id: str) -> dict[str, dict[str, int]]:
    """What has passed for a group or container, by direction: rate (its class's ceiling), bytes, packets, drops."""
    found = {}
    with Ledger(directory, first) as ledger:
        for direction in DIRECTIONS:
            pipe = _index(connection, pipe_name(first, direction))
            own = handle(_MAJOR, ledger.numbers.get(id, 0))
            for one in connection.classes(pipe) if pipe else ():
                if one.handle == own:
                    rate = 0 if one.ceil >= _UNLIMITED else one.ceil
                    found[direction] = {"rate": rate, "bytes": one.bytes, "packets": one.packets, "drops": one.drops}
        if not ledger.numbers:
            ledger.remove()
    return found


def pipe_name(first: str, direction: str) -> str:
    """The ifb device's name: at most 15 characters, and no other engine's."""
    return f"rf{direction[0]}-{first[:11]}"


def _index(connection: TrafficConnection, name: str) -> int:
    try:
        link = connection.link(name)
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise
        return 0
    return int(link.index)


def _make_pipe(connection: TrafficConnection, name: str) -> int:
    """Its index; what a crash has left unfinished is finished."""
    index = _index(connection, name)
    if not index:
        _load_ifb()
        connection.new_link(name, "ifb")
        index = _index(connection, name)
    connection.new_htb(index, _MAJOR)
    connection.set_up(index)
    return index


def _load_ifb() -> None:
    """Where ifb is a module: loaded by the kernel itself it would make two devices of its own on the host."""
    if os.path.isdir("/sys/module/ifb"):
        return
    import subprocess

    try:
        subprocess.run(["modprobe", "ifb", "numifbs=0"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except FileNotFoundError:
        return  # whether there is a device of that kind is told when it is made


def _set_classes(connection: TrafficConnection, pipe: int, direction: str, line: Sequence[tuple[str, Limits]],
                 numbers: Sequence[int]) -> int:  # fmt: skip
    """The handle of the leaf. Its queue is made anew only if there is none, or its rate is another one."""
    present = {one.handle: one.ceil for one in connection.classes(pipe)}
    above, least, ceil, burst = ROOT, _UNLIMITED, 0, 0
    for (_, limits), number in zip(line, numbers, strict=True):
        own, ceil = handle(_MAJOR, number), limits.rate(direction) or _UNLIMITED
        if ceil < least:
            least, burst = ceil, limits.burst
        whole = burst or min(max(least // 8 // 50, _LEAST_BURST), _MOST)
        connection.set_class(pipe, own, above, rate=ceil if above == ROOT else _OWN, ceil=ceil, burst=whole)
        above = own
    if present.get(above) != ceil:
        queue = min(max(least // 8 // _LONGEST_WAIT, _LEAST_QUEUE), _MOST)
        connection.new_leaf(pipe, above, max(queue, whole))
    return above


def _delete_class(connection: TrafficConnection, pipe: int, own: int) -> None:
    try:
        connection.delete_class(pipe, own)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise


class Ledger:
    """The numbers of the classes in one pair of pipes, by the ids of groups and containers; locked within a `with`."""

    def __init__(self, directory: str, first: str) -> None:
        self._file = f"{directory}/{first}"
        self._descriptor = -1
        self.numbers: dict[str, int] = {}

    def __enter__(self) -> Ledger:
        os.makedirs(os.path.dirname(self._file), 0o700, exist_ok=True)
        while True:
            self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            status = os.fstat(self._descriptor)
            if status.st_nlink:
                break
            os.close(self._descriptor)  # removed while we waited
        text = os.pread(self._descriptor, status.st_size, 0)
        self.numbers = json.loads(text.decode()) if text else {}
        return self

    def __exit__(self, *_exception: object) -> None:
        os.close(self._descriptor)

    def number(self, id: str) -> int:
        """The number of this id; a new one is the least that is free, and kept before it is used."""
        if id not in self.numbers:
            used = set(self.numbers.values())
            self.numbers[id] = next(number for number in range(1, _LAST_MINOR) if number not in used)
            self.save()
        return self.numbers[id]

    def save(self) -> None:
        """In one write, and never shorter than before (spaces are no harm), so that a kill leaves it readable."""
        text = json.dumps(self.numbers).encode()
        os.pwrite(self._descriptor, text.ljust(os.fstat(self._descriptor).st_size), 0)

    def remove(self) -> None:
        os.unlink(self._file)
