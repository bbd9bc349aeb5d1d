"""Published ports of a container: which ones, and the host's ports that are taken for them."""

from __future__ import annotations

from ringfence.errors import Conflict, InvalidInput
from ringfence.network import drivers
from ringfence.network.values import Port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ringfence.engine import Engine
    from ringfence.engine.options import Options
    from ringfence.engine.records import ContainerRecord
    from ringfence.network.ports import Reserved
    from ringfence.network.values import Network


def reserve(engine: Engine, record: ContainerRecord, options: Options) -> list[Reserved]:
    """Take the host's ports that are to be published, and write them down."""
    wanted = published(record, options)
    return take(engine, record, wanted) if wanted else []


def take(engine: Engine, record: ContainerRecord, wanted: Sequence[Mapping[str, Any]]) -> list[Reserved]:
    """The host's ports for these rows, as sockets of ours and in the database: all of them or none."""
    from ringfence.engine import plug
    from ringfence.network import ports

    reserved: list[Reserved] = []
    try:
        for row in wanted:
            port = Port(row["port"], row["first"], row["ip"], row["protocol"])
            try:
                reserved += ports.reserve([port], row["last"])
            except Conflict:
                plug.sweep(engine)  # perhaps it was a container's that has ended
                reserved += ports.reserve([port], row["last"])
        engine.networks.publish(record.id, [one.port for one in reserved])
    except BaseException:
        for one in reserved:
            one.close()
        raise
    return reserved


def admit(record: ContainerRecord, options: Options, networks: Sequence[Network]) -> None:
    """InvalidInput if ports are to be published that no network of the container can lead to it."""
    if any(network.driver in (*drivers.ROUTED, drivers.CNI) for network in networks) or not published(record, options):
        return
    names = ", ".join(f"{network.name} ({network.driver})" for network in networks)
    raise InvalidInput(f"--publish: nothing comes by this machine to a container in {names}",
                       hint="it has addresses of its own there; or put it into a bridge, too")  # fmt: skip


def published(record: ContainerRecord, options: Options) -> list[dict[str, Any]]:
    """The rows of --publish, and with --publish-all one for each port that is exposed and not among them."""
    rows = [dict(row) for row in options.publish]
    if options.publish_all:
        known = {f"{row['port']}/{row['protocol']}" for row in rows}
        for port in exposed(record, options):
            number, _, protocol = port.partition("/")
            if port not in known:
                rows.append({"port": int(number), "protocol": protocol, "ip": "", "first": 0, "last": 0})
    return rows


def exposed(record: ContainerRecord, options: Options) -> list[str]:
    """EXPOSE of the image and --expose, as PORT/PROTOCOL, in order of the numbers."""
    of_image = [port if "/" in port else f"{port}/tcp" for port in record.image_config.get("ExposedPorts") or ()]
    return sorted({*of_image, *options.expose}, key=lambda port: (int(port.partition("/")[0]), port))


