"""plug: a container's place in its networks, from before its start until after its end.

`take` hands out addresses and ports before anything is made; `Plug.connect` makes links, rules and names when the
container's network namespace is there; `release` takes all of it away again, and may be repeated. What is in the
kernel is always named by rows of the database (networks.py), so that `sweep` finds what a kill has left. One lock of
the engine is held while links and rules of networks come and go: the first container makes what its network needs on
this machine, the last one takes it away.
"""

from __future__ import annotations

import fcntl
import os

from ringfence.content.database import transaction
from ringfence.engine import places, ports, spec_files, subnets
from ringfence.engine.networks import Endpoint
from ringfence.engine.options_network import requests
from ringfence.engine.spec_files import Place
from ringfence.errors import NotFound, Unsupported
from ringfence.linux import namespaces as linux_namespaces
from ringfence.linux import processes
from ringfence.network import drivers
from ringfence.network.values import Attachment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

    from ringfence.engine import Engine
    from ringfence.engine.options import Options
    from ringfence.engine.plug_rootless import RootlessPlug
    from ringfence.engine.records import ContainerRecord
    from ringfence.network.firewall import Firewall
    from ringfence.network.ports import Reserved
    from ringfence.network.values import Driver, Network, Port


class Plug:
    """What one start of a container has been handed out: endpoints with addresses, and the host's ports as sockets."""

    __slots__ = ("_engine", "_options", "_record", "endpoints", "networks", "reserved")

    def __init__(self, engine: Engine, record: ContainerRecord, options: Options) -> None:
        self._engine = engine
        self._record = record
        self._options = options
        self.endpoints: list[Endpoint] = []
        self.networks: dict[str, Network] = {}  # by id
        self.reserved: list[Reserved] = []

    def place(self) -> Place:
        """What the files in /etc tell of its networks."""
        return place_of(self.endpoints, self.networks)

    def give_back(self) -> None:
        """After a start that failed."""
        release(self._engine, self._record.id)

    def connect(self, pid: int) -> None:
        """Plug the container in whose process this is; what it raises leaves rows, for `release`."""
        from ringfence.engine import bandwidth, dns
        from ringfence.linux import namespaces

        engine, id = self._engine, self._record.id
        began = processes.start_time(pid)
        with namespaces.open(pid, "network") as namespace, Lock(engine) as held:
            for endpoint in self.endpoints:
                endpoint.pid, endpoint.began = pid, began
                join(held, self.networks[endpoint.attachment.network], endpoint, namespace, self._left_to_plugins())
            with transaction(engine.database):
                for endpoint in self.endpoints:
                    engine.networks.plug(endpoint)
            if self.reserved and not self._left_to_plugins():
                ports = [one.port for one in self.reserved]
                held.publish(id, ports, reachable(self.endpoints, self.networks))
        if any(network.names for network in self.networks.values()):
            dns.publish(engine, self._record, self._options, pid, self.endpoints, self.networks)
        if self.reserved and not self._left_to_plugins():
            from ringfence.engine import forwarder

            forwarder.start(engine, id, pid, self.reserved, reachable(self.endpoints, self.networks))
        if any(network.driver == drivers.CNI for network in self.networks.values()):
            spec_files.rewrite(id, self._options, places.bundle(engine, id), self.place())  # plugins gave addresses
        bandwidth.connect(engine, self._record, pid)

    def _left_to_plugins(self) -> list[Port]:
        """The ports that plugins of CNI publish: those of a container that is in no network which we route."""
        if any(network.driver in drivers.ROUTED for network in self.networks.values()):
            return []
        return [one.port for one in self.reserved]

    def close(self) -> None:
        """The forwarder has the sockets, or nobody needs them."""
        for one in self.reserved:
            one.close()


class Lock:
    """The lock under which links and rules of an engine's networks come and go; `rules` are the engine's firewall."""

    __slots__ = ("_descriptor", "_rules", "engine")

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._descriptor = -1
        self._rules: Firewall | None = None

    @property
    def rules(self) -> Firewall:
        """One connection to the kernel for all that is done under the lock; see Firewall."""
        if self._rules is None:
            self._rules = firewall(self.engine)
            self._rules.__enter__()
        return self._rules

    def open_network(self, network: Network) -> bool:
        """See Firewall.open_network.

        A kernel without nf_tables leads packets from network to network and masquerades none, so that an internal
        network cannot be had; ports are the forwarder's alone there.
        """
        try:
            return self.rules.open_network(network)
        except Unsupported:
            if network.internal:
                raise
            return False

    def close_network(self, network: Network) -> None:
        with _unless_unsupported():
            self.rules.close_network(network)

    def publish(self, container: str, ports: Sequence[Port], addresses: Sequence[str]) -> None:
        with _unless_unsupported():
            if self.rules.publish(container, ports, addresses):
                _rebuild(self)

    def unpublish(self, container: str, ports: Sequence[Port], addresses: Sequence[str]) -> None:
        with _unless_unsupported():
            self.rules.unpublish(container, ports, addresses)

    def __enter__(self) -> Self:
        os.makedirs(self.engine.state, 0o711, exist_ok=True)
        self._descriptor = os.open(f"{self.engine.state}/network.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._rules is not None:
            self._rules.__exit__()
        os.close(self._descriptor)


class _unless_unsupported:
    """What a kernel without nf_tables does not do: there is nothing to be undone, either."""

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type[BaseException] | None, *_exception: object) -> bool:
        return kind is not None and issubclass(kind, Unsupported)


def take(engine: Engine, record: ContainerRecord, options: Options) -> Plug | RootlessPlug | None:
    """Hand out addresses and ports to a container that is to be started; None if it is in no network.

    NotFound for a network, Conflict for an address or a port that somebody has, InvalidInput for one that cannot be.
    """
    asked = requests(options)
    if not asked:
        return None
    if not linux_namespaces.privileged():
        from ringfence.engine import plug_rootless

        return plug_rootless.take(engine, record, options)
    from ringfence.engine import dns

    mend(engine)
    plug = Plug(engine, record, options)
    networks = engine.networks  # its tables are made outside of a transaction that may be rolled back
    try:
        with transaction(engine.database):
            taken = [row["interface"] for row in asked if row["interface"]]
            for row in asked:
                found = subnets.network_of(engine, row["name"])
                network = found.network
                name = row["interface"] or interface(taken)
                attachment = Attachment(network.id, record.id, name, mac=row["mac"], aliases=row["aliases"],
                                        addresses=subnets.allot(engine, network, row))  # fmt: skip
                attachment.default = not network.internal and not any(
                    endpoint.attachment.default for endpoint in plug.endpoints
                )
                taken.append(name)
                endpoint = Endpoint(attachment, len(plug.endpoints))
                networks.plug(endpoint)
                plug.endpoints.append(endpoint)
                plug.networks[network.id] = network
        if any(network.names for network in plug.networks.values()):
            dns.prepare(engine)
        ports.admit(record, options, list(plug.networks.values()))
        plug.reserved = ports.reserve(engine, record, options)
    except BaseException:
        plug.close()
        release(engine, record.id)
        raise
    return plug


def release(engine: Engine, id: str) -> None:
    """Take a container that does not run out of its networks, and give back its addresses and ports. Repeatable."""
    if not linux_namespaces.privileged():
        from ringfence.engine import plug_rootless

        return plug_rootless.release(engine, id)
    endpoints, published = engine.networks.endpoints(container=id), engine.networks.ports(id)
    if not endpoints and not published:
        return
    from ringfence.engine import dns

    with Lock(engine) as held:
        known = {record.network.id: record.network for record in engine.networks.all()}
        dns.withdraw(engine, id)
        if published:
            held.unpublish(id, [port for _, port in published], reachable(endpoints, known))
        for endpoint in endpoints:
            leave(held, known[endpoint.attachment.network], endpoint.attachment, None)
        with transaction(engine.database):
            for endpoint in endpoints:
                engine.networks.unplug(id, endpoint.attachment.network)
            engine.networks.unpublish(id)


def sweep(engine: Engine) -> None:
    """Release what containers have that do not run any more, and that nobody is starting or removing; then `mend`."""
    if not linux_namespaces.privileged():
        from ringfence.engine import plug_rootless

        return plug_rootless.sweep(engine)
    from ringfence.engine.lock import Lock as ContainerLock

    stale = [endpoint for endpoint in engine.networks.endpoints() if not alive(endpoint)]
    for id in dict.fromkeys(endpoint.attachment.container for endpoint in stale):
        lock = ContainerLock(engine, id)
        try:
            if not lock.take(wait=False):
                continue
        except NotFound:
            release(engine, id)
            continue
        try:
            if not any(alive(one) for one in engine.networks.endpoints(container=id)):
                release(engine, id)
        finally:
            lock.release()
    mend(engine)


def alive(endpoint: Endpoint) -> bool:
    """Whether the container is there that was plugged in."""
    return bool(endpoint.pid) and processes.alive(endpoint.pid, endpoint.began)


def mend(engine: Engine) -> None:
    """Start again what somebody has killed: forwarders of running containers, and the server of their names."""
    from ringfence.engine import dns

    published = {container for container, _ in engine.networks.ports()}
    if published:
        from ringfence.engine import forwarder

        for id in published:
            forwarder.mend(engine, id)
    dns.mend(engine)


def join(held: Lock, network: Network, endpoint: Endpoint, namespace: int, ports: Sequence[Port] = ()) -> None:
    """Make a container's link to a network, and what the network needs on this machine.

    `ports` are for the plugins of a CNI network to publish.
    """
    attachment = endpoint.attachment
    driver = _driver(held.engine, network, endpoint.pid, ports)
    driver.open(network)
    if network.driver in drivers.ROUTED and held.open_network(network):
        _rebuild(held, network)
        if held.engine.warned is not None and (line := held.rules.drops_forwarded()):
            held.engine.warned(line)
    driver.connect(network, attachment, namespace)


def close(held: Lock, network: Network) -> None:
    """Take away what a network without containers has on this machine, now."""
    if network.driver in drivers.ROUTED:
        held.close_network(network)
    _driver(held.engine, network).close(network)


def _driver(engine: Engine, network: Network, process: int = 0, ports: Sequence[Port] = ()) -> Driver:
    if network.driver != drivers.CNI:
        return drivers.find(network.driver)
    from ringfence.network.cni.driver import CniDriver

    return CniDriver(f"{engine.state}/cni", process, ports)


def leave(held: Lock, network: Network, attachment: Attachment, namespace: int | None) -> None:
    """Undo `join`; for the last container also what the network needs on this machine."""
    driver = _driver(held.engine, network)
    driver.disconnect(network, attachment, namespace)
    others = [one for one in held.engine.networks.endpoints(network=network.id)
              if one.attachment.container != attachment.container]  # fmt: skip
    if not any(one.pid for one in others):  # one that is not connected yet opens it again
        if network.driver in drivers.ROUTED:
            from ringfence.engine import idle

            idle.ensure(held.engine)
        else:
            driver.close(network)


def interface(taken: Sequence[str]) -> str:
    number = 0
    while f"eth{number}" in taken:
        number += 1
    return f"eth{number}"


def place_of(endpoints: Sequence[Endpoint], networks: Mapping[str, Network]) -> Place:
    """See Plug.place."""
    from ringfence.engine import dns

    addresses = [one.partition("/")[0] for endpoint in endpoints for one in endpoint.attachment.addresses]
    used = [networks[endpoint.attachment.network] for endpoint in endpoints]
    gateways = [subnet.gateway for network in used for subnet in network.subnets if subnet.gateway]
    return Place(addresses, [server for network in used for server in dns.servers(network)], gateways[:1])


def firewall(engine: Engine) -> Firewall:
    """Our table: an engine of other directories has one of its own."""
    from _blake2 import blake2b  # of what hashlib brings along, all that is needed

    from ringfence.network.firewall import Firewall

    if engine.root == places.DATA:
        return Firewall()
    return Firewall(f"ringfence-{blake2b(os.fsencode(engine.root), digest_size=4).hexdigest()}")


def _rebuild(held: Lock, *opened: Network) -> None:
    """The table is new, with no more than was just `opened` or published: if containers are connected already,
    somebody has flushed the ruleset, and what is theirs is made anew."""
    engine = held.engine
    endpoints = [one for one in engine.networks.endpoints() if one.pid]
    if not endpoints:
        return
    records = {record.network.id: record.network for record in engine.networks.all()}
    used = {one.attachment.network for one in endpoints} | {network.id for network in opened}
    networks = [records[id] for id in used if records[id].driver in drivers.ROUTED]
    rows = []
    for id in {container for container, _ in engine.networks.ports()}:
        own = [one for one in endpoints if one.attachment.container == id]
        rows.append((id, [port for _, port in engine.networks.ports(id)], reachable(own, records)))
    held.rules.rebuild(networks, rows)


def reachable(endpoints: Sequence[Endpoint], networks: Mapping[str, Network]) -> list[str]:
    """The address of each family to which published ports lead: that in the first network which this machine routes."""
    found: dict[bool, str] = {}
    for endpoint in endpoints:
        if networks[endpoint.attachment.network].driver in drivers.ROUTED:
            for address in endpoint.attachment.addresses:
                found.setdefault(":" in address, address.partition("/")[0])
    return list(found.values())
