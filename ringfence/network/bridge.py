"""The driver `bridge`: containers in one Ethernet segment, joined by a bridge of this host, which is their gateway.

A container has one end of a veth(4), the other one is a port of the bridge. The bridge bears the network's mark as its
alias: one without it is somebody else's, and left alone. What passes between networks and out is the packet filter's.
"""

from __future__ import annotations

import errno
import os
import time

from ringfence.errors import Conflict, Failed
from ringfence.linux import rtaddress, rtlink, rtroute, sysctl
from ringfence.linux.rtnetlink import RouteConnection
from ringfence.network import addresses, checks, forwarding, inside, naming, ready, steps, veth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.linux.rtlink import Link
    from ringfence.network.steps import Step
    from ringfence.network.values import Attachment, Network

_ETHERNET = 1500
_FIRST_INDEX = 1 << 14  # of the numbers that we choose from; the kernel's own begin at 1
_OPTIONS = {"isolate": checks.BOOLEANS, "masquerade": checks.BOOLEANS, "icc": checks.BOOLEANS}
"""icc: containers reach each other. The others are the firewall's (ringfence/network/firewall.py)."""


class Bridge:
    def check(self, network: Network) -> None:
        checks.check(network, _OPTIONS)

    def open(self, network: Network) -> None:
        self.check(network)
        try:
            with RouteConnection() as host:
                _complete(host, network, _find(host, network) or _make(host, network))
                if not network.internal:
                    forwarding.enable(host, network)
        except OSError as error:
            raise steps.problem(f"network {network.name}: bridge {network.interface}", error) from error

    def connect(self, network: Network, attachment: Attachment, namespace: int) -> None:
        made = False
        try:
            with RouteConnection() as host:
                bridge = host.link(network.interface)
                name = attachment.host_link = attachment.host_link or naming.host_link(attachment)
                # Hairpin: a container that calls its own published port is sent back to where it called from.
                port = rtlink.port(name, hairpin=True, isolated=network.options.get("icc") == "false")
                joined = [("set how its port forwards", port)]
                if sysctl.read("net", "ipv6", "conf", "all", "forwarding") is not None:
                    joined.append(("keep IPv6 off its port", rtlink.without_link_local(name)))
                mtu = network.mtu or bridge.mtu
                made = veth.make(host, network, attachment, namespace, joined, mtu=mtu, master=bridge.index)

                def settle(own: Link) -> None:
                    for index in (own.peer, bridge.index):
                        ready.await_carrier(host, index)

                own = inside.furnish(network, attachment, namespace, settle=settle)
        except BaseException as error:
            if made:
                veth.remove(network, attachment, namespace)
            if isinstance(error, OSError):
                raise steps.problem(f"network {network.name}: bridge {network.interface}", error) from error
            raise
        attachment.mac = own.mac

    def disconnect(self, network: Network, attachment: Attachment, namespace: int | None) -> None:
        veth.remove(network, attachment, namespace)

    def close(self, network: Network) -> None:
        with RouteConnection() as host:
            link = steps.find(host, network.interface)
            if link is not None and link.kind == "bridge" and link.alias == naming.mark(network):
                removal = (f"remove bridge {network.interface}", rtlink.delete(link.index))
                steps.perform(host, f"network {network.name}", [removal], harmless={errno.ENODEV})


def _find(host: RouteConnection, network: Network) -> Link | None:
    """The network's bridge, or None. Conflict if what has its name is somebody else's."""
    for _ in range(20):
        link = steps.find(host, network.interface)
        if link is None or (link.kind == "bridge" and link.alias == naming.mark(network)):
            return link
        if link.kind != "bridge" or link.alias:
            break
        time.sleep(0.001)  # another process may be about to give it its mark
    kind = link.kind if link else ""
    what = "is another one's bridge" if kind == "bridge" else f"is no bridge but {kind or 'a device'}"
    raise Conflict(f"network {network.name}: {network.interface} exists and {what}",
                   hint=f"choose another name, or remove it: ip link delete {network.interface}")  # fmt: skip


def _make(host: RouteConnection, network: Network) -> Link:
    """The bridge with its mark, by us or by another process that was quicker. Conflict if its subnets are not free."""
    try:
        checks.check_free(host, network)
    except Conflict:
        link = _find(host, network)  # whose own addresses these may be
        if link is None:
            raise
        return link
    _try_to_make(host, network)
    link = _find(host, network)
    if link is None:
        raise Failed(f"network {network.name}: {network.interface} was removed while it was made")
    return link


def _try_to_make(host: RouteConnection, network: Network) -> None:
    """Nothing happens if there is a link of that name.

    All requests go by an index that we choose, so that they miss what has the name and is not the one just made.
    """
    name, where = network.interface, f"network {network.name}"
    for _ in range(10):
        index = _FIRST_INDEX + int.from_bytes(os.urandom(2), "big")
        mac = naming.bridge_mac(network)
        made: list[Step] = [
            (f"make bridge {name}", rtlink.new(name, "bridge", mac=mac, index=index, data=rtlink.bridge())),
            # An MTU that is set stays: a bridge that was only made with one takes the least of its ports'.
            (f"set the MTU of {name}", rtlink.change(index, alias=naming.mark(network), mtu=network.mtu or _mtu(host))),
        ]
        made.append((f"keep IPv6 off {name}", rtlink.without_link_local(index)))
        errors = host.request_all([request for _, request in made])
        first = errors[0].errno if errors[0] else 0
        if first == errno.EBUSY:
            continue  # the index is taken
        if first == errno.EEXIST:
            return
        for (what, _), error in zip(made, errors, strict=True):
            if error is not None and error.errno != errno.EAFNOSUPPORT:
                raise steps.problem(f"{where}: cannot {what}", error)
        return
    raise Failed(f"{where}: no free index for bridge {name} was found")


def _complete(host: RouteConnection, network: Network, link: Link) -> None:
    """Gateways, and up: what is missing of it, because the bridge is new or its maker was killed."""
    present = {(one.address, one.prefix) for one in host.addresses(link.index)}
    wanted = [(_written(subnet.gateway), subnet.prefix) for subnet in network.subnets if subnet.gateway]
    wanted += [naming.LINK_LOCAL] if any(subnet.ipv6 for subnet in network.subnets) else []
    gateways = [one for one in wanted if one not in present]
    if link.up and not gateways:
        return
    place = ("net", "ipv6", "conf", link.name, "accept_ra")
    if sysctl.read(*place) not in (None, "0"):
        sysctl.write("0", *place)  # no container is this host's router
    made: list[Step] = [
        (f"give {link.name} the address {address}/{prefix}", rtaddress.new(link.index, address, prefix, keep=True))
        for address, prefix in gateways
    ]
    made.append((f"bring {link.name} up", rtlink.change(link.index, up=True)))
    steps.perform(host, f"network {network.name}", made)
    ready.await_groups(link.name, [address for address, _ in gateways])


def _written(address: str) -> str:
    """As the kernel's addresses are written, of which IPv6 has several ways."""
    return addresses.to_text(*addresses.to_number(address))


def _mtu(host: RouteConnection) -> int:
    """Of the link that this host's default route takes, as what it cannot carry must not come; at most Ethernet's."""
    ways = {route.link for route in host.routes() if not route.destination and route.type == rtroute.TYPES["unicast"]}
    return min([_ETHERNET, *(link.mtu for link in host.links() if link.index in ways)])
