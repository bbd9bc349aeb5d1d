"""port: where the ports of a running container are published, in docker's shapes."""

from __future__ import annotations

from ringfence.engine import repair, status
from ringfence.engine.options import Options
from ringfence.engine.ports import exposed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.engine import Engine
    from ringfence.engine.records import ContainerRecord
    from ringfence.network.values import Port

_ANY = ("0.0.0.0", "::")


def port(engine: Engine, name: str) -> dict[str, list[dict[str, str]]]:
    """See Engine.port."""
    record = repair.find(engine, name)
    if not status.of(engine, record).live:
        return {}
    return {key: rows for key, rows in bindings(engine, record).items() if rows}


def bindings(engine: Engine, record: ContainerRecord) -> dict[str, list[dict[str, str]]]:
    """`NetworkSettings.Ports`: of each port that is published or exposed, where on this host it is published."""
    found: dict[str, list[dict[str, str]]] = {
        key: [] for key in exposed(record, Options.from_json(record.options))
    }
    for _, one in engine.networks.ports(record.id):
        rows = found.setdefault(f"{one.container_port}/{one.protocol}", [])
        rows += [{"HostIp": ip, "HostPort": str(one.host_port)} for ip in _addresses(one)]
    return dict(sorted(found.items(), key=lambda item: (int(item[0].partition("/")[0]), item[0])))


def rows(engine: Engine, record: ContainerRecord) -> list[dict[str, Any]]:
    """`Ports` of `ps`: IP, PrivatePort, PublicPort, Type; the first and third are missing where it is only exposed."""
    found: list[dict[str, Any]] = []
    for key, places in bindings(engine, record).items():
        number, _, protocol = key.partition("/")
        inside = {"PrivatePort": int(number), "Type": protocol}
        found += [{"IP": place["HostIp"], "PublicPort": int(place["HostPort"]), **inside} for place in places]
        if not places:
            found.append(inside)
    return found


def _addresses(one: Port) -> tuple[str, ...]:
    return (one.host_ip,) if one.host_ip else _ANY
