"""Subnets of networks and addresses of containers: those that people ask for, and those that nobody here uses yet."""

from __future__ import annotations

from ringfence.engine.options_network import DEFAULT
from ringfence.errors import Conflict, InvalidInput
from ringfence.network import addresses, drivers, subnets
from ringfence.network.values import Subnet

_DEFAULT = (("10.78.0.0/16",), 16)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ringfence.engine import Engine
    from ringfence.engine.networks import NetworkRecord
    from ringfence.network.addresses import Block
    from ringfence.network.values import Network


def find(engine: Engine, id: str, given: Sequence[str], gateways: Sequence[str], ranges: Sequence[str], *,
         ipv6: bool, shared: bool = False) -> list[Subnet]:  # fmt: skip
    """Those of a new network, IPv4 first: those given, with gateways and ranges, or ones that nobody here uses.

    In the transaction that records the network, so that nobody chooses the same ones meanwhile.
    `shared`: a network beside this machine, whose own addresses may be of the same subnets.
    """
    used = in_use(engine, "")
    refused = of_networks(engine) if shared else used
    found: dict[bool, Subnet] = {}
    for text in given:
        block = addresses.parse_block(text)
        if (block.bits == 128) in found:
            raise InvalidInput(f"--subnet: {text}: a network has one subnet of a family")
        for other, whose in refused:
            if block.overlaps(other):
                raise Conflict(f"--subnet: {text} overlaps {other} of {whose}", hint="choose another one")
        found[block.bits == 128] = Subnet(text, _of(gateways, ":" in text) or addresses.gateway_of(text),
                                          _of(ranges, ":" in text))  # fmt: skip
    for flag, texts in (("--gateway", gateways), ("--ip-range", ranges)):
        for text in texts:
            if (":" in text) not in found:
                raise InvalidInput(f"{flag}: {text}: needs a --subnet that holds it")
    if not found:
        found[False] = _subnet(subnets.choose(block for block, _ in used))
    if ipv6 and True not in found:
        found[True] = _subnet(subnets.choose_ipv6((block for block, _ in used), id))
    chosen = [found[family] for family in sorted(found)]
    subnets.check("network create", chosen)
    return chosen


def for_default(engine: Engine, own: str) -> list[Subnet]:
    """The subnet of the network `bridge`, whose link is `own`: a large one if it is free."""
    used = [block for block, _ in in_use(engine, own)]
    try:
        return [_subnet(subnets.choose(used, *_DEFAULT))]
    except Conflict:
        return [_subnet(subnets.choose(used))]


def in_use(engine: Engine, own: str) -> list[tuple[Block, str]]:
    """Blocks of addresses that are somebody's, with whose: links and routes of this machine, networks of the engine."""
    from ringfence.linux.rtnetlink import RouteConnection

    found = []
    made = [record.network for record in engine.networks.all() if record.network.driver not in drivers.PARENTED]
    mine = {network.interface for network in made} | {own}
    with RouteConnection() as connection:
        links = {link.index: link.name for link in connection.links()}
        for address in connection.addresses():
            found.append((address.index, f"{address.address}/{address.prefix}"))
        for route in connection.routes():
            if route.prefix:
                found.append((route.link, f"{route.destination}/{route.prefix}"))
    blocks = [(addresses.parse_block(cidr), f"interface {links.get(index, index)}") for index, cidr in found
              if links.get(index) not in mine]  # fmt: skip
    return blocks + of_networks(engine, own)


def of_networks(engine: Engine, own: str = "") -> list[tuple[Block, str]]:
    """Those of the engine's networks, but for one whose link is `own`."""
    return [(addresses.parse_block(subnet.cidr), f"network {record.network.name}")
            for record in engine.networks.all() if record.network.interface != own
            for subnet in record.network.subnets]  # fmt: skip


def network_of(engine: Engine, name: str) -> NetworkRecord:
    """The network; `bridge`, as long as no container is in it, with a subnet that nobody else on this machine uses.

    In a transaction of the caller's, so that nobody chooses the same one meanwhile.
    """
    from ringfence.engine import network

    found = network.find(engine, name)
    kept = found.network
    if kept.name == DEFAULT and found.automatic and not engine.networks.endpoints(network=kept.id):
        used = in_use(engine, kept.interface)
        if any(addresses.parse_block(subnet.cidr).overlaps(other) for subnet in kept.subnets for other, _ in used):
            kept.subnets = for_default(engine, kept.interface)
            engine.networks.save(found)
    return found


def allot(engine: Engine, network: Network, asked: Mapping[str, Any]) -> list[str]:
    """Addresses for one container in each subnet, with prefixes, in a transaction of the caller's."""
    for ipv6, key in ((False, "ip"), (True, "ip6")):
        if asked[key] and not any(subnet.ipv6 == ipv6 for subnet in network.subnets):
            family = "IPv6" if ipv6 else "IPv4"
            raise InvalidInput(f"--{key}: {asked[key]}: network {network.name} has no {family} subnet")
    taken = engine.networks.taken(network.id)
    if network.driver in drivers.PARENTED:
        taken |= _of_machine()  # which is in the same network
    return [addresses.choose(subnet, taken, wanted=asked["ip6" if subnet.ipv6 else "ip"]) for subnet in network.subnets]


def _of_machine() -> set[str]:
    from ringfence.linux.rtnetlink import RouteConnection

    with RouteConnection() as connection:
        return {address.address for address in connection.addresses()}


def _subnet(cidr: str) -> Subnet:
    return Subnet(cidr, addresses.gateway_of(cidr))


def _of(texts: Sequence[str], ipv6: bool) -> str:
    return next((text for text in texts if (":" in text) == ipv6), "")


def route(flag: str, destination: str, gateway: str) -> tuple[str, str]:
    """A static route: a block of addresses, and the address of who leads there."""
    try:
        block = addresses.parse_block(destination)
        bits, _ = addresses.to_number(gateway)
    except InvalidInput as error:
        raise InvalidInput(f"{flag}: {error.what}") from None
    if bits != block.bits:
        raise InvalidInput(f"{flag}: {destination} and {gateway} are of different families")
    return str(block), gateway
