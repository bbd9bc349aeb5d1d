"""Links, addresses and routes of a network namespace (rtnetlink(7)): listed, made, changed, removed.

IP addresses are text ("10.78.0.2", "fd00::2"), a prefix length is a number beside it, a link is named by its index.
The requests as values are those of `rtlink`, `rtaddress` and `rtroute`; `request_all` sends several at once.
"""

from __future__ import annotations

import errno
import os
import struct

from ringfence.linux import namespaces, rtaddress, rtlink, rtroute, sockets
from ringfence.linux.netlink import Connection
from ringfence.linux.rtaddress import Address
from ringfence.linux.rtlink import Link
from ringfence.linux.rtroute import Route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from ringfence.linux.netlink import Message
    from ringfence.linux.traffic import Qdisc, Redirection, TrafficClass

    Object = TypeVar("Object", Link, Address, Route, Qdisc, TrafficClass, Redirection)


class RouteConnection(Connection):
    """A connection to the rtnetlink of our network namespace, or of the one whose descriptor is given.

    Every method raises OSError with the kernel's errno: ENODEV, EEXIST, EPERM, ...
    """

    __slots__ = ()

    def __init__(self, namespace: int | None = None) -> None:
        def connect() -> None:
            if namespace is not None:
                namespaces.enter(namespace, "network")
            super(RouteConnection, self).__init__(sockets.NETLINK_ROUTE)

        connect() if namespace is None else namespaces.on_own_thread(connect)

    def links(self) -> list[Link]:
        return objects(Link, self.send(rtlink.get_all()))

    def link(self, link: int | str) -> Link:
        """By index or name. OSError ENODEV if there is no such link."""
        return objects(Link, self.send(rtlink.get(link)))[0]

    def new_link(self, name: str, kind: str, mtu: int = 0) -> None:
        """Make a link of a kind that needs no more than a name: "bridge", "ifb", ..."""
        self.send(rtlink.new(name, kind, mtu=mtu))

    def new_veth(self, name: str, peer: str, peer_namespace: int | None = None, mtu: int = 0) -> None:
        """Make a pair of links, the peer in the network namespace of that descriptor or in this one."""
        self.send(rtlink.new(name, "veth", mtu=mtu, data=rtlink.veth(peer, mtu=mtu, namespace=peer_namespace)))

    def delete_link(self, index: int) -> None:
        self.send(rtlink.delete(index))

    def set_up(self, index: int, up: bool = True) -> None:
        self.send(rtlink.change(index, up=up))

    def set_master(self, index: int, master: int) -> None:
        """Make the link a port of a bridge, or with 0 of none."""
        self.send(rtlink.change(index, master=master))

    def move_link(self, index: int, namespace: int, name: str = "") -> None:
        """Move a link into another network namespace, under a new name if one is given (`%d` in it is a free number).

        It arrives down and without addresses. EEXIST if the name is taken there: asked beforehand, because the kernel
        finds that out when it has moved the link already.
        """
        if name:
            with RouteConnection(namespace) as there:
                if name in [link.name for link in there.links()]:
                    raise OSError(errno.EEXIST, os.strerror(errno.EEXIST), name)
        self.send(rtlink.change(index, name=name, namespace=namespace))

    def addresses(self, index: int = 0) -> list[Address]:
        """All addresses, or those of one link."""
        return objects(Address, self.send(rtaddress.get_all(index)))

    def new_address(self, index: int, address: str, prefix: int) -> None:
        """Give a link an address; an IPv6 one is usable at once (no duplicate address detection)."""
        self.send(rtaddress.new(index, address, prefix))

    def delete_address(self, index: int, address: str, prefix: int) -> None:
        self.send(rtaddress.delete(index, address, prefix))

    def routes(self, table: int = rtroute.MAIN_TABLE) -> list[Route]:
        """The routes of both families in one table."""
        found = []
        for family in (sockets.AF_INET, sockets.AF_INET6):
            found += objects(Route, self.send(rtroute.get_all(family)))
        return [route for route in found if route.table == table]

    def new_route(self, destination: str, prefix: int, *, gateway: str = "", link: int = 0, source: str = "") -> None:
        """Add a route to the main table; the default one is ("0.0.0.0", 0) or ("::", 0)."""
        self.send(rtroute.new(destination, prefix, gateway=gateway, link=link, source=source))

    def delete_route(self, destination: str, prefix: int, *, gateway: str = "", link: int = 0) -> None:
        self.send(rtroute.delete(destination, prefix, gateway=gateway, link=link))


def objects(kind: type[Object], messages: list[Message]) -> list[Object]:
    try:
        return [kind(message) for message in messages]
    except (struct.error, KeyError, ValueError, OSError) as error:
        raise OSError(errno.EBADMSG, f"malformed rtnetlink {kind.__name__.lower()}") from error
