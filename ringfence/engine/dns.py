"""Names of containers in their networks: what the DNS server is told of a container, and that there is one."""

from __future__ import annotations

from ringfence.errors import Failed
from ringfence.network.dns import directory, ready

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ringfence.engine import Engine
    from ringfence.engine.networks import Endpoint
    from ringfence.engine.options import Options
    from ringfence.engine.records import ContainerRecord
    from ringfence.network.values import Network

_PATIENCE = 5.0  # seconds


def publish(engine: Engine, record: ContainerRecord, options: Options, pid: int, endpoints: Sequence[Endpoint],
            networks: Mapping[str, Network]) -> None:  # fmt: skip
    """Tell the server of a running container, start one if there is none, and wait until it knows.

    Failed if it does not answer: somebody else may have port 53 of the gateways.
    """
    asked = tell(engine, record, options, pid, endpoints, networks)
    if not asked:
        return
    prepare(engine)
    place = _directory(engine)
    silent = ready.wait(place, directory.command(place), asked, _PATIENCE)
    if silent:
        raise Failed(f"the DNS server does not answer at {', '.join(silent)}", hint=f"see {place}/log")


def tell(engine: Engine, record: ContainerRecord, options: Options, pid: int, endpoints: Sequence[Endpoint],
         networks: Mapping[str, Network]) -> list[str]:  # fmt: skip
    """Write down for the server what a running container is called; the addresses at which it is asked from now on."""
    found: dict[str, Any] = {}
    for endpoint in endpoints:
        network, attachment = networks[endpoint.attachment.network], endpoint.attachment
        if network.names:
            found[network.id] = {
                "listen": servers(network),
                "addresses": [address.partition("/")[0] for address in attachment.addresses],
                "names": [record.name, *attachment.aliases, record.id[:12]],
                "internal": network.internal,
            }
    place = _directory(engine)
    if not found:
        directory.withdraw(place, record.id)
        return []
    directory.publish(place, record.id, directory.document(pid, found, options.dns))
    return [address for network in found.values() for address in network["listen"]]


def prepare(engine: Engine) -> None:
    """Start the server if none runs; a start does so early, and finds it at work."""
    place = _directory(engine)
    directory.ensure(place, directory.command(place))


def mend(engine: Engine) -> None:
    """Start the server again if it was killed while containers have names."""
    place = _directory(engine)
    try:
        named = directory.ids(place)
    except FileNotFoundError:
        return
    if named:
        directory.ensure(place, directory.command(place))


def withdraw(engine: Engine, id: str) -> None:
    """A container has no names any more; the server ends with the last one."""
    directory.withdraw(_directory(engine), id)


def servers(network: Network) -> list[str]:
    """The addresses at which the server answers the containers of a network: its gateways on this machine."""
    return [subnet.gateway for subnet in network.subnets if subnet.gateway] if network.names else []


def _directory(engine: Engine) -> str:
    return f"{engine.state}/dns"
