"""ps: the list of containers, with docker's filters."""

from __future__ import annotations

import time

from ringfence.engine import document, inspect, repair, status, times
from ringfence.engine import filters as common
from ringfence.engine.options import Options
from ringfence.engine.options_network import requests
from ringfence.engine.plugged import Plugged
from ringfence.errors import InvalidInput, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from ringfence.engine import Engine
    from ringfence.engine.records import ContainerRecord
    from ringfence.engine.status import Status

    Keep = Callable[[ContainerRecord, Status], bool]

FILTERS = ("id", "name", "label", "ancestor", "status", "exited", "before", "since", "volume", "network", "health",
           "is-task", "restart-policy", "should-start-on-boot", "group")  # fmt: skip
POLICIES = ("no", "on-failure", "always", "unless-stopped")
HEALTHS = ("starting", "healthy", "unhealthy", "none")


def ps(engine: Engine, *, all: bool, filters: Mapping[str, Sequence[str]], last: int,
       size: bool) -> list[dict[str, Any]]:  # fmt: skip
    """See Engine.ps. A filter for a status, or for an exit code, looks at containers that do not run too."""
    keep = keeper(engine, filters)
    all = all or last >= 0 or "status" in filters or "exited" in filters
    found, plugged = [], Plugged(engine)
    for record in repair.every(engine):
        current = status.of(engine, record)
        if (all or current.live or current.word == "restarting") and keep(record, current):
            found.append(_row(engine, record, current, plugged, size))
            if len(found) == last:
                break
    return found[:last] if last >= 0 else found


def keeper(engine: Engine, wanted: Mapping[str, Sequence[str]]) -> Keep:
    """The test of all filters. Values of one filter are alternatives, but all labels must hold. InvalidInput."""
    common.known(wanted, FILTERS)
    tests: list[Keep] = [_TESTS[key](engine, values) for key, values in wanted.items()]
    return lambda record, current: all(test(record, current) for test in tests)


def _row(engine: Engine, record: ContainerRecord, current: Status, plugged: Plugged,
         size: bool) -> dict[str, Any]:  # fmt: skip
    options = Options.from_json(record.options)
    found = {
        "Id": record.id,
        "Names": [f"/{record.name}"],
        "Image": record.image,
        "ImageID": record.image_id,
        "Command": " ".join([*record.args[:1], *(_quoted(argument) for argument in record.args[1:])]),
        "Created": record.created // times.SECOND,
        "Ports": plugged.rows(record) if current.live else [],
        "Labels": record.labels,
        "State": current.word,
        "Status": status.text(current, time.time_ns()),
        "HostConfig": {"NetworkMode": options.network},
        "NetworkSettings": {"Networks": plugged.settings(record, options)["Networks"]},
        "Mounts": document.mounts(record),
    }
    return {**found, **inspect.sizes(engine, record)} if size else found


def _quoted(argument: str) -> str:
    """As docker shows it: one that has a space stands in quotes."""
    return f"'{argument}'" if " " in argument else argument


def _name(_engine: Engine, values: Sequence[str]) -> Keep:
    """A part of the name, or a regular expression, as docker has it."""
    import re

    try:
        patterns = [re.compile(value) for value in values]
    except re.error as error:
        raise InvalidInput(f"--filter: name: {error}") from None
    return lambda record, _: any(
        pattern.search(record.name) or pattern.search(f"/{record.name}") for pattern in patterns
    )


def _status(_engine: Engine, values: Sequence[str]) -> Keep:
    for value in values:
        if value not in status.WORDS:
            raise InvalidInput(f'--filter: status: "{value}" is none', hint=f"there are: {', '.join(status.WORDS)}")
    return lambda _, current: current.word in values


def _exited(_engine: Engine, values: Sequence[str]) -> Keep:
    try:
        codes = {int(value) for value in values}
    except ValueError:
        raise InvalidInput(f"--filter: exited: {values[0]!r} is not an exit code") from None
    return lambda _, current: current.word == "exited" and current.exit_code in codes


def _ancestor(engine: Engine, values: Sequence[str]) -> Keep:
    """The image itself, by name or ID, or any whose layers it begins with."""
    images = []
    for value in values:
        try:
            images.append(engine.image_store.get(value))
        except (NotFound, InvalidInput):
            continue
    ids = {image.id for image in images}
    parents = {image.top for image in images if image.top}
    if not images:
        return lambda record, _: record.image in values

    def descends(record: ContainerRecord, _: Status) -> bool:
        if record.image_id in ids:
            return True
        try:
            return not parents.isdisjoint(engine.image_store.get(record.image_id).chain_ids)
        except NotFound:
            return record.parent in parents

    return descends


def _older(engine: Engine, values: Sequence[str]) -> Keep:
    limits = [engine.records.find(value).created for value in values]
    return lambda record, _: all(record.created < limit for limit in limits)


def _newer(engine: Engine, values: Sequence[str]) -> Keep:
    limits = [engine.records.find(value).created for value in values]
    return lambda record, _: all(record.created > limit for limit in limits)


def _volume(_engine: Engine, values: Sequence[str]) -> Keep:
    return lambda record, _: any(value in (m["source"], m["target"]) for m in record.mounts for value in values)


def _health(_engine: Engine, values: Sequence[str]) -> Keep:
    for value in values:
        if value not in HEALTHS:
            raise InvalidInput(f'--filter: health: "{value}" is none', hint=f"there are: {', '.join(HEALTHS)}")
    return lambda _, current: (current.health["Status"] if current.health else "none") in values


def _task(_engine: Engine, values: Sequence[str]) -> Keep:
    wanted = common.boolean("is-task", values)
    return lambda _record, _current: not wanted  # tasks are swarm's


def _policy(_engine: Engine, values: Sequence[str]) -> Keep:
    for value in values:
        if value not in POLICIES:
            raise InvalidInput(f'--filter: restart-policy: "{value}" is none', hint=f"there are: {', '.join(POLICIES)}")
    return lambda record, _: Options.from_json(record.options).restart["policy"] in values


def _at_boot(_engine: Engine, values: Sequence[str]) -> Keep:
    from ringfence.engine import restart_policy

    wanted = common.boolean("should-start-on-boot", values)
    return lambda record, _: restart_policy.at_boot(record) == wanted


def _network(engine: Engine, values: Sequence[str]) -> Keep:
    """By the network's name, its ID or the beginning of that; the modes none and host are networks, too."""
    names = {record.network.id: record.network.name for record in engine.networks.all()}
    wanted = {name for id, name in names.items() for value in values if value and id.startswith(value)} | set(values)

    def keep(record: ContainerRecord, _: Status) -> bool:
        options = Options.from_json(record.options)
        found = {names.get(row["name"], row["name"]) for row in requests(options)} or {options.network}
        return not found.isdisjoint(wanted)

    return keep


def _group(_engine: Engine, values: Sequence[str]) -> Keep:
    from ringfence.engine.group import is_inside

    return lambda record, _: any(is_inside(record, value) for value in values)


_TESTS: dict[str, Callable[[Engine, Sequence[str]], Keep]] = {
    "id": lambda _, values: lambda record, _: any(record.id.startswith(value) for value in values),
    "name": _name,
    "label": lambda _, values: lambda record, _: common.labels(record.labels, values),
    "ancestor": _ancestor,
    "status": _status,
    "exited": _exited,
    "before": _older,
    "since": _newer,
    "volume": _volume,
    "network": _network,
    "health": _health,
    "is-task": _task,
    "restart-policy": _policy,
    "should-start-on-boot": _at_boot,
    "group": _group,
}
