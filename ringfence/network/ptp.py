"""The driver `ptp`: each container has a cable of its own to this host, which routes between them; there is no bridge.

As the CNI plugin of that name does it: our end of each veth has the gateways' addresses, a route leads to the
container's, and the container reaches even its neighbours by the gateway only.
"""

from __future__ import annotations

from ringfence.errors import Conflict, InvalidInput
from ringfence.linux import rtaddress, rtlink, rtroute, sysctl
from ringfence.linux.rtnetlink import RouteConnection
from ringfence.network import addresses, checks, forwarding, inside, naming, ready, steps, veth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.linux.netlink import Message
    from ringfence.network.steps import Step
    from ringfence.network.values import Attachment, Network, Subnet

_ETHERNET = 1500
_OPTIONS = {"isolate": checks.BOOLEANS, "masquerade": checks.BOOLEANS}  # the firewall's


class Ptp:
    def check(self, network: Network) -> None:
        checks.check(network, _OPTIONS)
        where = f"network {network.name}"
        for subnet in network.subnets:
            if not subnet.gateway:
                raise InvalidInput(f"{where}: subnet {subnet.cidr} has no gateway, which ptp needs", hint="--gateway")
        for destination, gateway in network.routes:
            if gateway not in [subnet.gateway for subnet in network.subnets]:
                raise InvalidInput(f"{where}: route {destination} by {gateway}, which no container of ptp sees",
                                   hint="it can lead by the gateway of a subnet, to this host")  # fmt: skip

    def open(self, network: Network) -> None:
        self.check(network)
        where = f"network {network.name}"
        try:
            with RouteConnection() as host:
                if not _in_use(host, network):
                    try:
                        checks.check_free(host, network)
                    except Conflict:
                        if not _in_use(host, network):  # by a container that has been connected since we looked
                            raise
                forwarding.enable(host, network)
        except OSError as error:
            raise steps.problem(where, error) from error

    def connect(self, network: Network, attachment: Attachment, namespace: int) -> None:
        where = f"network {network.name}, {naming.of_container(attachment)}"
        name = attachment.host_link = attachment.host_link or naming.host_link(attachment)
        made = False
        try:
            with RouteConnection() as host:
                marked: list[Step] = [("mark our end", rtlink.change(name, alias=naming.mark(network)))]
                if sysctl.read("net", "ipv6", "conf", "all", "forwarding") is not None:
                    marked.append(("keep IPv6 off our end", rtlink.without_link_local(name)))
                made = veth.make(host, network, attachment, namespace, marked, mtu=network.mtu or _ETHERNET)
                if sysctl.read("net", "ipv6", "conf", name, "accept_ra") not in (None, "0"):
                    sysctl.write("0", "net", "ipv6", "conf", name, "accept_ra")  # no container is this host's router
                steps.perform(host, where, _our_end(network, attachment, host.link(name).index))
                own = inside.furnish(network, attachment, namespace, prefix_route=False,
                                     routes=lambda index: _their_routes(network, attachment, index),
                                     settle=lambda own: ready.await_carrier(host, own.peer))  # fmt: skip
            ready.await_groups(name, [subnet.gateway for subnet in network.subnets])
        except BaseException as error:
            if made:
                veth.remove(network, attachment, namespace)
            if isinstance(error, OSError):
                raise steps.problem(where, error) from error
            raise
        attachment.mac = own.mac

    def disconnect(self, network: Network, attachment: Attachment, namespace: int | None) -> None:
        veth.remove(network, attachment, namespace)

    def close(self, network: Network) -> None:
        """Nothing is left when the last container has been disconnected."""


def _in_use(host: RouteConnection, network: Network) -> bool:
    """While somebody is connected, the gateways' addresses are there; that they were free was seen before."""
    present = {(one.address, one.prefix) for one in host.addresses()}
    return any(_host(subnet.gateway) in present for subnet in network.subnets)


def _our_end(network: Network, attachment: Attachment, index: int) -> list[Step]:
    given = [_host(subnet.gateway) for subnet in network.subnets]
    given += [naming.LINK_LOCAL] if any(subnet.ipv6 for subnet in network.subnets) else []
    made = [
        (f"give {attachment.host_link} the address {address}", rtaddress.new(index, address, prefix, keep=True))
        for address, prefix in given
    ]
    for one in attachment.addresses:
        address, _ = addresses.parse_interface(one)
        made.append((f"route {address} by {attachment.host_link}", rtroute.new(*_host(address), link=index, keep=True)))
    return made


def _their_routes(network: Network, attachment: Attachment, index: int) -> list[Step]:
    own = {":" in address for address in attachment.addresses}
    made = []
    for subnet in network.subnets:
        if subnet.ipv6 in own:
            gateway = rtroute.new(*_host(subnet.gateway), link=index, keep=True)
            made.append((f"route {subnet.gateway} by {attachment.interface}", gateway))
            made.append((f"route {subnet.cidr} by {subnet.gateway}", _by_gateway(subnet, index)))
    return made + inside.gateway_routes(network, attachment, index)


def _by_gateway(subnet: Subnet, index: int) -> Message:
    block = addresses.parse_block(subnet.cidr)
    destination = addresses.to_text(block.bits, block.first)
    return rtroute.new(destination, block.prefix, gateway=subnet.gateway, link=index, keep=True)


def _host(address: str) -> tuple[str, int]:
    """An address alone, as the kernel writes it, with the prefix that it has then."""
    bits, number = addresses.to_number(address)
    return addresses.to_text(bits, number), bits
