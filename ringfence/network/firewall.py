"""The firewall of an engine: published ports, addresses of containers on their way out, isolation of networks.

All of it is one nftables table of our own. Its rules are always the same; what differs is in its sets and maps, so that
a container comes and goes by adding and removing elements, in one transaction and in the same time however many there
are. Nobody else's tables are read or touched. The table can therefore only forbid: what another table drops stays
dropped (`drops_forwarded` finds such a one).

    prerouting, output ──► published ──► addressed4/6, ports4/6: the container's address and port
    forward      established, or inside one bridge, or through a published port; else not into an isolated network
    postrouting  what leaves the networks of containers takes this machine's address

127.0.0.1, ::1 and link-local addresses are not translated (the kernel would not route the answers): the forwarder
(ringfence/network/forwarder.py) serves them. Docker's words for all this: `iptables -t nat -L`, chain DOCKER.
"""

from __future__ import annotations

import errno
import os

from ringfence.errors import Denied, Failed, RingfenceError, Unsupported
from ringfence.linux import nftables, sockets
from ringfence.linux.nftables import Element, Hook, NftablesConnection
from ringfence.network.firewall_rules import CHAINS, RULES, SETS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Self, TypeAlias

    from ringfence.linux.nftables import Chain, Request
    from ringfence.network.values import Network, Port

    Wanted: TypeAlias = Mapping[str, Sequence[Element]]
    """Elements by the name of their set."""

PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
_ANY = ("", "0.0.0.0", "::")
_NETWORK_SETS = ("bridges", "inside", "internal", "isolated", "subnets4", "subnets6")
_PORT_MAPS = ("addressed4", "addressed6", "ports4", "ports6")
_WITHOUT_END = ("udp", "sctp")  # connections that last as long as somebody sends (sctp's by its timers)
_UNTOLD = (errno.EINVAL, errno.EOPNOTSUPP)  # a kernel without nf_conntrack_netlink: they end by themselves
_FAMILIES = {1: "inet", 2: "ip", 7: "bridge", 10: "ip6"}
_MOST_ATTEMPTS = 200
_AGAIN = (errno.ERESTART, errno.EEXIST, errno.ENOENT)  # another process has changed, made or removed something
_ABSENT = (errno.EOPNOTSUPP, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT)
_INTERFACE_NAME = 16  # bytes
_LOCAL = (b"\x7f", bytes(15) + b"\1")  # how addresses begin that the forwarder alone serves


class Firewall:
    """The table `inet TABLE` of the network namespace that we are in.

    Every method may be called again at any time, by any number of processes; Unsupported, Denied or Failed if the
    kernel refuses. `with` is for several calls: after something was removed, the end of a connection to the kernel
    makes the next change wait (10 ms), and so there is one for all.
    """

    __slots__ = ("_connection", "table")

    def __init__(self, table: str = "ringfence") -> None:
        self.table = table
        self._connection: NftablesConnection | None = None

    def __enter__(self) -> Self:
        try:
            self._connection = NftablesConnection()
        except OSError as error:
            raise self._failed(error) from error
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def open_network(self, network: Network) -> bool:
        """Let a network's containers out and keep others from them; before its first container is connected.

        Its options: isolate=false lets the other networks and hosts reach its containers directly, masquerade=false
        lets them keep their addresses outside. True if the table had to be made: if other networks are open or ports
        published, somebody has flushed the ruleset, and `rebuild` is called for.
        """
        return self._add(_of_network(network))

    def close_network(self, network: Network) -> None:
        """Undo `open_network`; with the last network the table goes, and ports that were still published."""

        def attempt(connection: NftablesConnection) -> None:
            generation = connection.generation()
            present = self._present(connection, _NETWORK_SETS)
            if present is None:
                return
            ours = _of_network(network)
            going = {name: [element for element in ours.get(name, ()) if element in present[name]] for name in present}
            if all(len(going[name]) == len(present[name]) for name in present):
                connection.change([nftables.delete_table(self.table)], generation)
            elif any(going.values()):
                connection.change(self._deletions(going), generation)

        self._repeat(attempt)

    def publish(self, container: str, ports: Iterable[Port], addresses: Iterable[str]) -> bool:
        """Lead ports of this host to a container with these addresses (at most one of each family, without prefix).

        The caller has the host's ports (ringfence/network/ports.py): what others are said to have there is a
        leftover, and replaced. True as of `open_network`.
        """
        return self._add(_of_ports(container, ports, addresses))

    def unpublish(self, container: str, ports: Iterable[Port], addresses: Iterable[str]) -> None:
        """Undo `publish`, but for ports that by now are another container's."""
        ours = _of_ports(container, ports, addresses)

        def attempt(connection: NftablesConnection) -> None:
            generation = connection.generation()
            going = {
                name: [one for one in elements if connection.element(self.table, name, one.key) == one]
                for name, elements in ours.items()
            }
            if any(going.values()):
                connection.change(self._deletions(going), generation)
            _forget(connection, ours)

        self._repeat(attempt)

    def rebuild(self, networks: Iterable[Network],
                published: Iterable[tuple[str, Sequence[Port], Sequence[str]]]) -> list[str]:  # fmt: skip
        """Make the table anew, in one transaction, of all networks in use and of all that is published, as by
        `publish`; without a network it goes. For repair: after a crash, or when somebody has flushed the ruleset.

        Returns the containers whose published ports were there and are not any more. What other processes add
        between the caller's knowing what there is and now is lost: the caller holds them off.
        """
        wanted: dict[str, list[Element]] = {}
        for one in (*map(_of_network, networks), *(_of_ports(*port) for port in published)):
            for name, elements in one.items():
                wanted.setdefault(name, []).extend(elements)
        stale: list[str] = []

        def attempt(connection: NftablesConnection) -> None:
            generation = connection.generation()
            present = self._present(connection, _PORT_MAPS) or {}
            known = {element.comment for name in _PORT_MAPS for element in wanted.get(name, ())}
            stale[:] = sorted({one.comment for elements in present.values() for one in elements} - known)
            if any(wanted.get(name) for name in _NETWORK_SETS):
                whole = [nftables.new_table(self.table), nftables.delete_table(self.table)]
                connection.change([*whole, *self._creation(), *self._additions(wanted)], generation)
            elif self.table in connection.tables():
                connection.change([nftables.delete_table(self.table)], generation)
            gone = {
                name: [one for one in elements if one not in wanted.get(name, ())] for name, elements in present.items()
            }
            _forget(connection, gone)

        self._repeat(attempt)
        return stale

    def published(self) -> list[dict[str, str | int]]:
        """What the kernel has: container, protocol, host_ip, host_port, address, container_port of each port."""
        present: dict[str, list[Element]] = {}
        self._repeat(lambda connection: present.update(self._present(connection, _PORT_MAPS) or {}))
        return [_port(name, element) for name, elements in present.items() for element in elements]

    def drops_forwarded(self) -> str:
        """A warning, one line, if a table of somebody else's drops what it does not know on its way to a container."""
        chains: list[Chain] = []
        self._repeat(lambda connection: chains.extend(connection.chains()))
        for chain in chains:
            if chain.hook == Hook.FORWARD and chain.drops and chain.table != self.table:
                where = f"{_FAMILIES.get(chain.family, chain.family)} {chain.table}"
                return (
                    f'the policy of chain {chain.name} in nftables\' table "{where}" is to drop what is forwarded: '
                    "containers reach the outside, and are reached, only as far as its rules allow it"
                )
        return ""

    def bridges(self) -> list[str]:
        """The bridges of the networks that are open."""
        present: dict[str, list[Element]] = {}
        self._repeat(lambda connection: present.update(self._present(connection, ("bridges",)) or {}))
        return sorted(element.key.rstrip(b"\0").decode() for element in present.get("bridges", ()))

    def _add(self, wanted: Wanted) -> bool:
        """Add elements, and the table if there is none."""
        made = False

        def attempt(connection: NftablesConnection) -> None:
            nonlocal made
            if not connection.has_table(self.table):
                whole = [nftables.new_table(self.table, exclusive=True), *self._creation()]
                connection.change([*whole, *self._additions(wanted)])
                made = True
                return
            try:
                connection.change(self._additions(wanted))
            except OSError as error:
                if error.errno != errno.EEXIST:
                    raise
                self._replace(connection, wanted)

        self._repeat(attempt)
        return made

    def _replace(self, connection: NftablesConnection, wanted: Wanted) -> None:
        """Add elements in the place of those with the same keys and other data."""
        generation = connection.generation()
        present = {
            name: [connection.element(self.table, name, one.key) for one in elements]
            for name, elements in wanted.items()
            if name in _PORT_MAPS
        }
        replaced = {
            name: [one for one in elements if one is not None and one not in wanted[name]]
            for name, elements in present.items()
        }
        connection.change(self._deletions(replaced) + self._additions(wanted), generation)
        _forget(connection, replaced)

    def _repeat(self, attempt: Callable[[NftablesConnection], None]) -> None:
        """Until no other process has come between what was read and what was written."""
        if self._connection is None:
            with Firewall(self.table) as alone:
                return alone._repeat(attempt)
        for number in range(_MOST_ATTEMPTS):
            try:
                return attempt(self._connection)
            except OSError as error:
                if error.errno not in _AGAIN or number == _MOST_ATTEMPTS - 1:
                    raise self._failed(error) from error

    def _failed(self, error: OSError) -> RingfenceError:
        what = f"cannot change the nftables table inet {self.table}: {os.strerror(error.errno or 0).lower()}"
        if error.errno in _ABSENT:
            return Unsupported(what, hint="published ports need a kernel with nf_tables, its inet family and NAT")
        if error.errno == errno.EPERM:
            return Denied(what, hint="it needs CAP_NET_ADMIN")
        notes = ", ".join(getattr(error, "__notes__", ()))
        return Failed(f"{what} ({notes})" if notes else what, errno=error.errno or 0)

    def _present(self, connection: NftablesConnection, names: Iterable[str]) -> dict[str, list[Element]] | None:
        """The elements of these sets; None if there is no table, or one without them."""
        try:
            return {name: connection.elements(self.table, name) for name in names}
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
            return None

    def _creation(self) -> list[Request]:
        """A table with chains, sets and rules, and no element."""
        table = self.table
        requests = [nftables.new_table(table)]
        requests += [nftables.new_set(table, name, *fields) for name, fields in SETS.items()]
        requests += [nftables.new_chain(table, name, *base) for name, base in CHAINS.items()]
        requests += [nftables.new_rule(table, chain, rule, comment) for chain, comment, rule in RULES]
        return requests

    def _additions(self, wanted: Wanted) -> list[Request]:
        return [one for name, elements in wanted.items() for one in nftables.new_elements(self.table, name, elements)]

    def _deletions(self, going: Wanted) -> list[Request]:
        return [one for name, elements in going.items() for one in nftables.delete_elements(self.table, name, elements)]


def _of_network(network: Network) -> Wanted:
    """The elements of a network. Of its name nothing is kept: what counts is its bridge and its subnets."""
    wanted: dict[str, list[Element]] = {}
    if network.driver == "bridge":
        bridge = network.interface.encode().ljust(_INTERFACE_NAME, b"\0")
        wanted["bridges"] = [Element(bridge, comment=network.name)]
        wanted["inside"] = [Element(bridge + bridge)]
        if network.internal:
            wanted["internal"] = [Element(bridge)]
        elif network.options.get("isolate", "true") == "true":
            wanted["isolated"] = [Element(bridge)]
    if not network.internal and network.options.get("masquerade", "true") == "true":
        for subnet in network.subnets:
            wanted["subnets6" if subnet.ipv6 else "subnets4"] = _interval(subnet.cidr, network.name)
    return wanted


def _interval(cidr: str, comment: str) -> list[Element]:
    """The first address, and the one after the last."""
    address, _, prefix = cidr.partition("/")
    packed = _packed(address)
    size = 1 << (8 * len(packed) - int(prefix))
    first = int.from_bytes(packed, "big") // size * size
    elements = [Element(first.to_bytes(len(packed), "big"), comment=comment)]
    if first + size < 1 << 8 * len(packed):
        elements.append(Element((first + size).to_bytes(len(packed), "big"), end=True))
    return elements


def _of_ports(container: str, ports: Iterable[Port], addresses: Iterable[str]) -> Wanted:
    """Each port in the map of its family. A port of one family's address cannot lead to the other's: that is the
    forwarder's, as are the addresses that are not translated."""
    wanted: dict[str, list[Element]] = {}
    inside = {len(packed): packed for packed in map(_packed, addresses)}
    for port in ports:
        host = _packed(port.host_ip) if port.host_ip else b""
        named = b"" if port.host_ip in _ANY else host
        if named.startswith(_LOCAL):
            continue
        for size, address in inside.items():
            if host and len(host) != size:
                continue
            key = named + _field(bytes((PROTOCOLS[port.protocol],))) + _field(port.host_port.to_bytes(2, "big"))
            data = address + _field(port.container_port.to_bytes(2, "big"))
            name = ("addressed" if named else "ports") + ("4" if size == 4 else "6")
            wanted.setdefault(name, []).append(Element(key, data, comment=container))
    return wanted


def _port(name: str, element: Element) -> dict[str, str | int]:
    """What an element of a map of ports says."""
    size = 4 if name.endswith("4") else 16
    family = sockets.AF_INET if size == 4 else sockets.AF_INET6
    host, rest = (element.key[:size], element.key[size:]) if name.startswith("addressed") else (b"", element.key)
    return {
        "container": element.comment,
        "protocol": next((name for name, number in PROTOCOLS.items() if number == rest[0]), str(rest[0])),
        "host_ip": sockets.inet_ntop(family, host) if host else "",
        "host_port": int.from_bytes(rest[4:6], "big"),
        "address": sockets.inet_ntop(family, element.data[:size]),
        "container_port": int.from_bytes(element.data[size : size + 2], "big"),
    }


def _forget(connection: NftablesConnection, going: Wanted) -> None:
    """Let clients whose datagrams went to these ports find who has the ports now."""
    ports = [_port(name, element) for name, elements in going.items() for element in elements]
    answering = {(PROTOCOLS[str(one["protocol"])], _packed(str(one["address"])))
                 for one in ports if one["protocol"] in _WITHOUT_END}  # fmt: skip
    if not answering:
        return
    from ringfence.linux import conntrack

    try:
        for protocol, address in answering:
            conntrack.forget(connection, protocol, address)
    except OSError as error:
        if error.errno not in _UNTOLD:
            raise


def _packed(address: str) -> bytes:
    return sockets.inet_pton(sockets.AF_INET6 if ":" in address else sockets.AF_INET, address)


def _field(value: bytes) -> bytes:
    """As it is in a register, or in several."""
    return value.ljust((len(value) + 3) // 4 * 4, b"\0")
