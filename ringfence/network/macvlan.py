"""The driver `macvlan`: each container has a MAC address of its own on the LAN of the parent interface."""

from __future__ import annotations

from ringfence.linux import rtlink
from ringfence.network import naming
from ringfence.network.parent import OnParent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.linux.rtlink import Link
    from ringfence.network.values import Attachment, Network

_MODES = tuple(rtlink.MACVLAN_MODES)
_OPTIONS = {"mode": _MODES, "macvlan_mode": _MODES}  # the second is docker's word


class Macvlan(OnParent):
    kind = "macvlan"
    options = _OPTIONS

    def data(self, network: Network) -> bytes:
        return rtlink.macvlan(_mode(network))

    def mac(self, network: Network, attachment: Attachment, parent: Link) -> str:
        return "" if _mode(network) == "passthru" else attachment.mac or naming.mac_of(attachment)


def _mode(network: Network) -> str:
    return network.options.get("mode") or network.options.get("macvlan_mode") or "bridge"
