"""Who has which name in which network, and who may ask for it: what the server knows of the containers."""

from __future__ import annotations

from ringfence.errors import Corrupt
from ringfence.linux.sockets import AF_INET, AF_INET6, inet_ntop, inet_pton
from ringfence.network.dns import message
from ringfence.network.dns.message import AAAA, ANY, PTR, A, Question, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

# Seconds that an answer may be kept. A container can be replaced by another at any moment, with another address, and
# asking again costs a tenth of a millisecond; 0 would be as true, but there are resolvers that ask again for each use.
TTL = 1


class Place:
    """A container in one network: the addresses at which it may ask, its own, and its names as they travel."""

    __slots__ = ("addresses", "internal", "listen", "names")

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.listen = [plain(address) for address in fields["listen"]]
        self.addresses = [plain(address) for address in fields["addresses"]]
        self.names = [message.name(name).lower() for name in fields["names"]]
        self.internal = bool(fields["internal"])


class Container:
    """A container as it was published (see directory.document); ValueError, KeyError, TypeError, Corrupt if not."""

    __slots__ = ("id", "pid", "places", "servers", "start")

    def __init__(self, id: str, fields: Mapping[str, Any]) -> None:
        self.id = id
        self.pid = int(fields["pid"])
        self.start = int(fields["start"])
        self.servers = [plain(address) for address in fields["servers"]]
        self.places = {network: Place(place) for network, place in fields["networks"].items()}


class Network:
    """What is known in one network: places and addresses by name, containers by address, names by reverse name."""

    __slots__ = ("askers", "members", "names", "reverse")

    def __init__(self) -> None:
        self.members: dict[str, Place] = {}
        self.names: dict[bytes, dict[str, Place]] = {}
        self.askers: dict[str, Container] = {}
        self.reverse: dict[bytes, bytes] = {}

    @property
    def internal(self) -> bool:
        return any(place.internal for place in self.members.values())

    def add(self, container: Container, place: Place) -> None:
        self.members[container.id] = place
        for name in place.names:
            self.names.setdefault(name, {})[container.id] = place
        for address in place.addresses:
            self.askers[address] = container
            if place.names:
                self.reverse[message.reverse_name(address)] = place.names[0]

    def remove(self, container: Container) -> None:
        place = self.members.pop(container.id)
        for name in place.names:
            others = self.names.get(name, {})
            others.pop(container.id, None)
            if not others:
                self.names.pop(name, None)
        for address in place.addresses:
            if self.askers.get(address) is container:  # else another has got the address since
                del self.askers[address]
                self.reverse.pop(message.reverse_name(address), None)


class Asker:
    """Who asks: the networks whose names it is told, the one that it asks through first; and whom else to ask."""

    __slots__ = ("forwards", "networks", "servers", "source")

    def __init__(self, source: str, networks: Sequence[Network], servers: Sequence[str]) -> None:
        self.source = source
        self.networks = networks
        self.servers = servers
        self.forwards = not all(network.internal for network in networks)


class Names:
    """All containers that are known at present."""

    def __init__(self) -> None:
        self.containers: dict[str, Container] = {}
        self._networks: dict[str, Network] = {}
        self._turn = 0

    def put(self, container: Container) -> None:
        self.remove(container.id)
        self.containers[container.id] = container
        for id, place in container.places.items():
            self._networks.setdefault(id, Network()).add(container, place)

    def remove(self, id: str) -> None:
        container = self.containers.pop(id, None)
        for network in container.places if container else ():
            self._networks[network].remove(container)  # type: ignore[arg-type]
            if not self._networks[network].members:
                del self._networks[network]

    def listen(self) -> dict[str, Network]:
        """The addresses at which questions are to be answered, and through which network they come then."""
        return {
            address: network
            for network in self._networks.values()
            for place in network.members.values()
            for address in place.listen
        }

    def asker(self, source: str, asked: str, through: Network) -> Asker | None:
        """Who asks from the address `source` at our address `asked` of a network; None if nobody whom we know.

        This machine itself, whose address is then that of the network, is told the names of the network.
        """
        if source == asked:
            return Asker(source, [through], [])
        container = through.askers.get(source)
        if container is None:
            found = (network.askers[source] for network in self._networks.values() if source in network.askers)
            container = next(found, None)
        if container is None:
            return None
        own = [self._networks[id] for id in container.places]
        own.sort(key=lambda network: network is not through)
        return Asker(source, own, container.servers)

    def records(self, asker: Asker, question: Question) -> list[Record] | None:
        """The answer to a question; empty if the name has nothing of that type, None if no container has the name."""
        name, known = question.name.lower(), False
        for network in asker.networks:
            if name in network.reverse:
                known = True
                if question.type in (PTR, ANY):
                    return [Record(question.name, PTR, network.reverse[name], TTL)]
            places = network.names.get(name)
            if places:
                known = True
                addresses = [address for place in places.values() for address in place.addresses]
                if question.type != ANY:
                    addresses = [address for address in addresses if _type(address) == question.type]
                if addresses:
                    return [
                        Record(question.name, _type(address), _packed(address), TTL)
                        for address in self._rotated(addresses)
                    ]
        return [] if known else None

    def _rotated(self, addresses: Sequence[str]) -> list[str]:
        """Each in its turn first: many clients use the first one only."""
        self._turn += 1
        start = self._turn % len(addresses)
        return [*addresses[start:], *addresses[:start]]


def plain(address: str) -> str:
    """An address as the kernel writes it. Corrupt if it is none."""
    family = AF_INET6 if ":" in address else AF_INET
    try:
        return inet_ntop(family, inet_pton(family, address))
    except OSError:
        raise Corrupt(f'"{address}" is no address') from None


def _type(address: str) -> int:
    return AAAA if ":" in address else A


def _packed(address: str) -> bytes:
    return inet_pton(AF_INET6 if ":" in address else AF_INET, address)
