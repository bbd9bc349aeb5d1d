"""Events: one line of JSON each, in docker's shape, appended to `<state>/events.jsonl` by whoever did something.

A line is one write(2) with O_APPEND, so that lines of several processes never mix. The `die` event is the monitor's.
"""

from __future__ import annotations

import os
import time

from ringfence import json
from ringfence.engine import filters, places, times

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from ringfence.engine import Engine
    from ringfence.engine.records import ContainerRecord

LIMIT = 3072
"""Bytes that the monitor has room for in what it is given of its `die` event."""
LOOK = 1.0  # seconds after which a file that is followed is looked at though nobody wrote


def emit(engine: Engine, type: str, action: str, id: str, attributes: Mapping[str, str]) -> None:
    """Append one event that happened now."""
    now = time.time_ns()
    event = {"Type": type, "Action": action, "Actor": {"ID": id, "Attributes": attributes}, "scope": "local",
             "time": now // times.SECOND, "timeNano": now}  # fmt: skip
    line = json.dumps(event, separators=(",", ":")).encode() + b"\n"
    path = places.events_file(engine)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileNotFoundError:
        os.makedirs(engine.state, 0o711, exist_ok=True)
        descriptor = os.open(path, flags, 0o600)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def emit_container(engine: Engine, record: ContainerRecord, action: str, **more: str) -> None:
    """An event of a container; its attributes are image, name, its labels, and `more`."""
    emit(engine, "container", action, record.id, {**_attributes(record), **more})


def monitored(record: ContainerRecord) -> str:
    """What the monitor's events, `start` and `die`, have between their action and their time or exit code.

    It tells of both, so that they are in their order also where a program ends at once, and whoever started it lives on
    or not.
    """
    for attributes in (_attributes(record), {"image": record.image, "name": record.name}, {"name": record.name}):
        event = {"Actor": {"ID": record.id, "Attributes": attributes}}
        text = f'",{json.dumps(event, separators=(",", ":"))[1:-3]}'
        if len(text) < LIMIT:
            break  # all labels of a container may be more than a line
    return text


def events(engine: Engine, *, since: str | None, until: str | None, filters: Mapping[str, Sequence[str]],
           follow: bool) -> Iterator[dict[str, Any]]:  # fmt: skip
    """See Engine.events. Without `since` it begins now, as docker does; `follow=False` tells all there has been."""
    _check(filters)
    now = time.time_ns()
    begin = times.parse_moment("--since", since, now) if since else now if follow else 0
    end = times.parse_moment("--until", until, now) if until else None
    if not follow and end is None:
        end = now
    return _events(engine, begin, end, filters)


def _events(
    engine: Engine, begin: int, end: int | None, wanted: Mapping[str, Sequence[str]]
) -> Iterator[dict[str, Any]]:
    for line in follow_lines(places.events_file(engine), lambda: end is None or time.time_ns() <= end):
        event: dict[str, Any] = json.loads(line)
        if end is not None and event["timeNano"] > end:
            return
        if event["timeNano"] >= begin and _matches(event, wanted):
            yield event


def follow_lines(path: str, more: Callable[[], bool]) -> Iterator[bytes]:
    """The whole lines of a file, then those that are added, as long as `more()`; it need not exist yet."""
    from ringfence.linux.inotify import Watch

    directory = os.path.dirname(path)
    os.makedirs(directory, 0o711, exist_ok=True)
    with Watch(directory) as watch:
        while not os.path.exists(path):
            if not more():
                return
            watch.wait(LOOK)
        with open(path, "rb") as file:
            rest = b""
            while True:
                going = more()  # asked before the last look, so that nothing written until then is missed
                while chunk := file.readline():
                    rest += chunk
                    if rest.endswith(b"\n"):
                        yield rest
                        rest = b""
                if not going:
                    return
                watch.wait(LOOK)


def exit_code_after(engine: Engine, id: str, position: int) -> int | None:
    """The exit code of the first `die` event of a container that was written after `position` bytes of the file."""
    try:
        with open(places.events_file(engine), "rb") as file:
            file.seek(position)
            for line in file:
                if b'"die"' in line and id.encode() in line and line.endswith(b"\n"):
                    event = json.loads(line)
                    if event["Action"] == "die" and event["Actor"]["ID"] == id:
                        return int(event["Actor"]["Attributes"]["exitCode"])
    except FileNotFoundError:
        pass
    return None


def position(engine: Engine) -> int:
    """The present end of the file, for `exit_code_after`."""
    try:
        return os.stat(places.events_file(engine)).st_size
    except FileNotFoundError:
        return 0


def _attributes(record: ContainerRecord) -> dict[str, str]:
    return {**record.labels, "image": record.image, "name": record.name}


def _check(wanted: Mapping[str, Sequence[str]]) -> None:
    filters.known(wanted, ("container", "group", "image", "volume", "type", "event", "label"))


def _matches(event: dict[str, Any], wanted: Mapping[str, Sequence[str]]) -> bool:
    """Values of one filter are alternatives; filters must all hold. `event=health_status` is also its refinements."""
    id, attributes = event["Actor"]["ID"], event["Actor"]["Attributes"]
    for key, values in wanted.items():
        if key == "label":
            found = filters.labels(attributes, values)
        elif key == "type":
            found = event["Type"] in values
        elif key == "event":
            found = any(event["Action"] == value or event["Action"].startswith(f"{value}: ") for value in values)
        else:
            names = {id, attributes.get("name", ""), attributes.get("image", "") if key == "image" else ""}
            mine = event["Type"] == key or (key == "image" and event["Type"] == "container")
            found = mine and any(value in names or (value and id.startswith(value)) for value in values)
        if not found:
            return False
    return True
