"""A container's end of a link: its addresses, routes and parameters, set within the container's network namespace."""

from __future__ import annotations

import errno

from ringfence.errors import Failed
from ringfence.linux import namespaces, rtaddress, rtlink, rtroute, sysctl
from ringfence.linux.rtnetlink import RouteConnection
from ringfence.network import addresses, naming, ready, steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ringfence.linux.rtlink import Link
    from ringfence.network.steps import Step
    from ringfence.network.values import Attachment, Network

_LO = 1
_IPV4 = ("net", "ipv4", "conf")
_WITH_IPV6 = (("accept_ra", "0"), ("accept_dad", "0"), ("ndisc_notify", "1"))
_NO_CHANGE = {errno.EOPNOTSUPP, errno.EBUSY}  # a link that has its parent's MAC address
ALL = {False: "0.0.0.0", True: "::"}  # by whether it is IPv6


def furnish(network: Network, attachment: Attachment, namespace: int, *, prefix_route: bool = True,
            routes: Callable[[int], Sequence[Step]] | None = None,
            settle: Callable[[Link], None] | None = None) -> Link:  # fmt: skip
    """Furnish the link that is there already, and lo; what it has is kept. `routes` of its index are instead of ours.

    `settle` waits for the host's side, so that what is announced then is heard.

    All is done on a thread of its own, as /proc/sys shows the network of who looks.
    """

    def work() -> Link:
        namespaces.enter(namespace, "network")
        with RouteConnection() as connection:
            link = connection.link(attachment.interface)
            _set_parameters(network, attachment)
            index = link.index
            made: list[Step] = [("bring lo up", rtlink.change(_LO, up=True))]
            for one in attachment.addresses:
                address, prefix = addresses.parse_interface(one)
                request = rtaddress.new(index, address, prefix, keep=True, prefix_route=prefix_route)
                made.append((f"give {attachment.interface} the address {one}", request))
            made.append((f"bring {attachment.interface} up", rtlink.change(index, up=True)))
            made += gateway_routes(network, attachment, index) if routes is None else routes(index)
            made += static_routes(network, attachment)
            steps.perform(connection, _where(network, attachment), made)
            ready.await_carrier(connection, index)
            own = [one.partition("/")[0] for one in attachment.addresses]
            ready.await_groups(attachment.interface, own)
            if settle is not None:
                settle(link)
            steps.perform(connection, _where(network, attachment), _announcement(attachment, link), _NO_CHANGE)
            return link

    try:
        return namespaces.on_own_thread(work)
    except OSError as error:
        raise steps.problem(f"{_where(network, attachment)}: {attachment.interface}", error) from error


def gateway_routes(network: Network, attachment: Attachment, index: int) -> list[Step]:
    """The default route of every family in which the container has an address and the network a gateway."""
    if network.internal or not attachment.default:
        return []
    own = {":" in address for address in attachment.addresses}
    return [
        (
            f"route by {subnet.gateway}",
            rtroute.new(ALL[subnet.ipv6], 0, gateway=subnet.gateway, link=index, keep=True),
        )
        for subnet in network.subnets
        if subnet.gateway and subnet.ipv6 in own
    ]


def static_routes(network: Network, attachment: Attachment) -> list[Step]:
    own = {":" in address for address in attachment.addresses}
    made = []
    for destination, gateway in network.routes:
        if (":" in destination) in own:
            address, prefix = addresses.parse_interface(destination)
            made.append((f"route {destination} by {gateway}", rtroute.new(address, prefix, gateway=gateway, keep=True)))
    return made


def _announcement(attachment: Attachment, link: Link) -> list[Step]:
    """Who has spoken with an earlier owner of an address learns the new MAC address, else only after half a minute.

    The kernel announces all addresses of a link whose MAC address is set, also to what it was (arp_notify, ndisc_notify
    of ip-sysctl.rst). To do it by a packet socket would take 8 ms: closing one waits for a grace period.
    """
    return [(f"announce {attachment.interface}", rtlink.change(link.index, mac=link.mac))]


def remove(network: Network, attachment: Attachment, namespace: int, kind: str) -> None:
    """Remove the link, if it is there and of that kind."""
    with RouteConnection(namespace) as connection:
        link = steps.find(connection, attachment.interface)
        if link is not None and link.kind == kind:
            removal = (f"remove {attachment.interface}", rtlink.delete(link.index))
            steps.perform(connection, _where(network, attachment), [removal], harmless={errno.ENODEV})


def _set_parameters(network: Network, attachment: Attachment) -> None:
    """No address, route or gateway comes from whoever is in the same network, and IPv6 is off where it has no subnet.

    (CVE-2020-13401: another container told of itself as an IPv6 router.) What has no duplicate is not looked for.
    """
    place = ("net", "ipv6", "conf", attachment.interface)
    six = any(":" in address for address in attachment.addresses)
    wanted = [(*_IPV4, attachment.interface, "arp_notify", "1"), (*place, "disable_ipv6", "0" if six else "1")]
    wanted += [(*place, name, value) for name, value in _WITH_IPV6] if six else []
    for *name, value in wanted:
        present = sysctl.read(*name)
        if present is None or present == value:
            continue  # None: a kernel without IPv6, which says so when it is given such an address
        try:
            sysctl.write(value, *name)
        except OSError as error:
            hint = "/proc/sys must be writable"
            raise Failed(f"{_where(network, attachment)}: cannot set {'.'.join(name)} to {value}: "
                         f"{error.strerror}", errno=error.errno or 0, hint=hint) from error  # fmt: skip


def _where(network: Network, attachment: Attachment) -> str:
    return f"network {network.name}, {naming.of_container(attachment)}"
