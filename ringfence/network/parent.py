"""What macvlan and ipvlan have in common: containers share an interface of this host, their parent, with its LAN.

A parent `eth0.100` that is missing is made, as the VLAN 100 of eth0, and goes with the network; it bears the network's
mark. This host itself does not reach the containers through the parent, and they not this host.
"""

from __future__ import annotations

import errno
import time

from ringfence.errors import Conflict, Failed, InvalidInput, NotFound
from ringfence.linux import rtlink
from ringfence.linux.rtnetlink import RouteConnection
from ringfence.network import checks, inside, naming, steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ringfence.linux.rtlink import Link
    from ringfence.network.steps import Step
    from ringfence.network.values import Attachment, Network

_LOOPBACK = 0x8  # IFF_LOOPBACK
_VLANS = range(1, 4095)
_PATIENCE = 2.0  # seconds


class OnParent:
    """A driver whose links have a parent; `kind` is the kernel's word for them."""

    kind = ""
    options: Mapping[str, Collection[str]]

    def data(self, network: Network) -> bytes:
        """What the kernel makes such a link with."""
        raise NotImplementedError

    def mac(self, network: Network, attachment: Attachment, parent: Link) -> str:
        """The MAC address to ask for, "" for the kernel's choice."""
        raise NotImplementedError

    def routes(self, network: Network, attachment: Attachment, index: int) -> Sequence[Step]:
        """To the world beyond the LAN."""
        return inside.gateway_routes(network, attachment, index)

    def check(self, network: Network) -> None:
        if not network.interface:
            raise InvalidInput(f"network {network.name}: {self.kind} needs a parent interface",
                               hint="such as -o parent=eth0; `ip link` lists them")  # fmt: skip
        checks.check(network, self.options)

    def open(self, network: Network) -> None:
        self.check(network)
        try:
            with RouteConnection() as host:
                parent = steps.find(host, network.interface) or _make_vlan(host, network)
        except OSError as error:
            raise steps.problem(f"network {network.name}: parent {network.interface}", error) from error
        where = f"network {network.name}: parent {network.interface}"
        if parent.flags & _LOOPBACK:
            raise InvalidInput(f"{where} is the loopback interface, which no {self.kind} can share")
        if parent.alias.startswith(naming.MARK) and parent.alias != naming.mark(network):
            raise Conflict(f"{where} was made for another network", hint="choose another VLAN, or remove that network")
        if not parent.up:
            raise Failed(f"{where} is down", errno=errno.ENETDOWN, hint=f"ip link set {network.interface} up")
        if network.mtu > parent.mtu:
            raise InvalidInput(f"{where} carries {parent.mtu} bytes, less than the MTU of {network.mtu}")

    def connect(self, network: Network, attachment: Attachment, namespace: int) -> None:
        checks.check_attachment(network, attachment)
        try:
            with RouteConnection() as host:
                parent = host.link(network.interface)
                mac = self.mac(network, attachment, parent)
                new = rtlink.new(attachment.interface, self.kind, parent=parent.index, namespace=namespace, mac=mac,
                                 mtu=network.mtu, data=self.data(network))  # fmt: skip
                [error] = host.request_all([new])
        except OSError as unexpected:
            raise steps.problem(f"network {network.name}: parent {network.interface}", unexpected) from unexpected
        if error is not None and not (error.errno == errno.EEXIST and self._joined(parent, attachment, namespace)):
            raise self._problem(network, attachment, error) from error
        try:
            own = self._furnish(network, attachment, namespace)
        except BaseException:
            if error is None:
                inside.remove(network, attachment, namespace, self.kind)
            raise
        attachment.mac = own.mac
        attachment.host_link = ""

    def disconnect(self, network: Network, attachment: Attachment, namespace: int | None) -> None:
        if namespace is not None:
            inside.remove(network, attachment, namespace, self.kind)

    def close(self, network: Network) -> None:
        with RouteConnection() as host:
            link = steps.find(host, network.interface)
            if link is not None and link.kind == "vlan" and link.alias == naming.mark(network):
                removal = (f"remove {network.interface}", rtlink.delete(link.index))
                steps.perform(host, f"network {network.name}", [removal], harmless={errno.ENODEV})

    def _furnish(self, network: Network, attachment: Attachment, namespace: int) -> Link:
        """EADDRINUSE: the kernel has not yet removed the link of an earlier start, which has the same MAC address."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                return inside.furnish(network, attachment, namespace,
                                      routes=lambda index: self.routes(network, attachment, index))  # fmt: skip
            except Failed as error:
                if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                    raise
            time.sleep(0.01)

    def _joined(self, parent: Link, attachment: Attachment, namespace: int) -> bool:
        """Whether what has the name there is the link that we would make."""
        with RouteConnection(namespace) as connection:
            link = steps.find(connection, attachment.interface)
        return link is not None and (link.kind, link.peer) == (self.kind, parent.index)

    def _problem(self, network: Network, attachment: Attachment, error: OSError) -> Exception:
        where = f"network {network.name}, {naming.of_container(attachment)}"
        if error.errno == errno.EEXIST:
            return Conflict(f"{where}: it has an interface {attachment.interface} already")
        hint = {
            errno.EOPNOTSUPP: f"this kernel has no {self.kind}: modprobe {self.kind}, or choose driver bridge",
            errno.EBUSY: f"{network.interface} is a bridge's port, or shared in another way: macvlan excludes ipvlan, "
            "and mode passthru all others",
        }.get(error.errno or 0, "")
        return steps.problem(f"{where}: cannot make a {self.kind} on {network.interface}", error, hint=hint)


def _make_vlan(host: RouteConnection, network: Network) -> Link:
    """The VLAN that the parent's name says. NotFound if it says none, or not of an interface that is there."""
    name, where = network.interface, f"network {network.name}"
    below, dot, number = name.rpartition(".")
    if not dot or not number.isascii() or not number.isdigit() or int(number) not in _VLANS:
        raise NotFound(f"{where}: parent {name} does not exist", hint="`ip link` lists the interfaces of this host")
    parent = steps.find(host, below)
    if parent is None:
        raise NotFound(f"{where}: parent {name} does not exist, and {below} to make it of does not either",
                       hint="`ip link` lists the interfaces of this host")  # fmt: skip
    errors = host.request_all(
        [
            rtlink.new(name, "vlan", parent=parent.index, data=rtlink.vlan(int(number))),
            rtlink.change(name, alias=naming.mark(network), up=True),
        ]
    )
    for error in errors:
        if error is not None and error.errno != errno.EEXIST:
            hint = "this kernel has no VLANs: modprobe 8021q" if error.errno == errno.EOPNOTSUPP else ""
            raise steps.problem(f"{where}: cannot make {name}, VLAN {number} of {below}", error, hint=hint)
    return host.link(name)
