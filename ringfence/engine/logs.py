"""logs: what a container printed, read back from the monitor's log files, the rotated ones too, and followed.

Two forms: k8s-file (the CRI's: `TIME stdout F text`, with P for a line that the next entry continues) and json-file.
"""

from __future__ import annotations

import os
import time

from ringfence import json
from ringfence.engine import places, repair, status, times
from ringfence.errors import InvalidInput, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from ringfence.engine import Engine
    from ringfence.engine.records import ContainerRecord

LOOK = 1.0  # seconds after which a log that is followed is looked at though nobody wrote
STREAMS = ("stdout", "stderr")


class LogLine:
    """One entry: `time` as logged (RFC 3339 with nanoseconds), `stream`, `data` with its newline unless it goes on."""

    __slots__ = ("data", "stream", "time")

    def __init__(self, time: str, stream: str, data: bytes) -> None:
        self.time = time
        self.stream = stream
        self.data = data

    def __repr__(self) -> str:
        return f"LogLine({self.time!r}, {self.stream!r}, {self.data!r})"


def logs(engine: Engine, name: str, *, follow: bool, tail: int | str, since: str | None,
         until: str | None) -> Iterator[LogLine]:  # fmt: skip
    """See Engine.logs."""
    from ringfence.engine.options import Options

    record = repair.find(engine, name)
    driver = Options.from_json(record.options).log_driver
    if driver == "none":
        raise Unsupported(f"container {record.name} keeps no log (--log-driver none)")
    count = lines_wanted(tail)
    now = time.time_ns()
    begin = times.parse_moment("--since", since, now) if since else 0
    end = times.parse_moment("--until", until, now) if until else None
    parse = PARSERS[driver]
    return _logs(engine, record, parse, follow, count, begin, end)


def lines_wanted(tail: int | str) -> int | None:
    """`--tail`: a number of lines, or None for "all" (docker also takes a negative number for it)."""
    if tail in ("all", ""):
        return None
    try:
        count = int(tail)
    except ValueError:
        raise InvalidInput(f'--tail: "{tail}" is neither a number nor all') from None
    return None if count < 0 else count


def parse_k8s(line: bytes) -> LogLine:
    """An entry of the CRI's log format. ValueError if it is none."""
    moment, stream, tag, text = line.split(b" ", 3)
    if stream.decode() not in STREAMS or tag[:1] not in (b"F", b"P"):
        raise ValueError(line)
    if tag[:1] == b"P":
        text = text.removesuffix(b"\n")
    return LogLine(moment.decode("ascii"), stream.decode(), text)


def parse_json(line: bytes) -> LogLine:
    """An entry of docker's json-file format. ValueError if it is none."""
    entry = json.loads(line)
    try:
        moment, stream, text = entry["time"], entry["stream"], entry["log"]
        if stream not in STREAMS or not isinstance(moment, str):
            raise ValueError(line)
        return LogLine(moment, stream, text.encode("utf-8", "surrogateescape"))
    except (KeyError, TypeError, AttributeError):
        raise ValueError(line) from None


PARSERS: dict[str, Callable[[bytes], LogLine]] = {"k8s-file": parse_k8s, "json-file": parse_json}


def entries(file: BinaryIO, parse: Callable[[bytes], LogLine]) -> Iterator[LogLine]:
    """The entries of an open log up to its end; what is not (yet) a whole entry at its end is left to be read again."""
    while line := file.readline():
        if not line.endswith(b"\n"):
            file.seek(-len(line), os.SEEK_CUR)
            return
        try:
            yield parse(line)
        except (ValueError, UnicodeDecodeError):
            continue  # a full disk may have cut an entry: the others are still worth reading


def _logs(engine: Engine, record: ContainerRecord, parse: Callable[[bytes], LogLine], follow: bool, count: int | None,
          begin: int, end: int | None) -> Iterator[LogLine]:  # fmt: skip
    from ringfence.linux.inotify import Watch

    path = places.log_file(engine, record.id)
    # the directory has the log, its rotations, and the exit record
    with Watch(places.bundle(engine, record.id)) as watch, _open(path) as file:
        inode = os.fstat(file.fileno()).st_ino if path else 0
        yield from _past(path, file, parse, count, begin, end)
        while follow and (end is None or time.time_ns() <= end):
            live = status.of(engine, record).live  # asked before the last look, so that nothing is missed
            for entry in entries(file, parse):
                if _within(entry, begin, end):
                    yield entry
            if _inode(path) not in (inode, 0):  # the monitor has rotated it: go on with the new one
                file.close()
                file = open(path, "rb")  # noqa: SIM115  (closed by the next turn, or below)
                inode = os.fstat(file.fileno()).st_ino
                continue
            if not live:
                break
            watch.wait(LOOK)
        file.close()


def _past(path: str, file: BinaryIO, parse: Callable[[bytes], LogLine], count: int | None, begin: int,
          end: int | None) -> Iterator[LogLine]:  # fmt: skip
    """What is there already, at most the last `count` lines of it."""

    def everything() -> Iterator[LogLine]:
        for number in range(_rotations(path), 0, -1):
            with _open(f"{path}.{number}") as old:
                yield from entries(old, parse)
        yield from entries(file, parse)

    found = (entry for entry in everything() if _within(entry, begin, end))
    if count is None:
        yield from found
    else:
        yield from last_lines(found, count)


def last_lines(found: Iterator[LogLine], count: int) -> list[LogLine]:
    """The entries of the last `count` lines; entries without a newline belong to the line of the next one."""
    kept: list[list[LogLine]] = []
    complete = True
    for entry in found:
        if complete:
            kept.append([])
            if len(kept) > count:
                kept.pop(0)
        if kept:
            kept[-1].append(entry)
        complete = entry.data.endswith(b"\n")
    return [entry for line in kept for entry in line] if count else []


def _within(entry: LogLine, begin: int, end: int | None) -> bool:
    if not begin and end is None:
        return True
    moment = times.parse_rfc3339(entry.time)
    return moment >= begin and (end is None or moment <= end)


def _open(path: str) -> BinaryIO:
    """The file, or an empty one: a container that was never started has no log."""
    try:
        return open(path, "rb")
    except FileNotFoundError:
        return open(os.devnull, "rb")


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return 0


def _rotations(path: str) -> int:
    """The highest n of container.log.n."""
    number = 0
    while os.path.exists(f"{path}.{number + 1}"):
        number += 1
    return number
