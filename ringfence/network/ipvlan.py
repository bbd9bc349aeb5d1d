"""The driver `ipvlan`: containers share the parent interface's MAC address and are told apart by their IP addresses.

In mode l2 they see the LAN of the parent; in l3 and l3s the kernel routes between them and the LAN, whose routers have
to know the way back, and there is no gateway.
"""

from __future__ import annotations

from ringfence.errors import InvalidInput
from ringfence.linux import rtlink, rtroute
from ringfence.network import inside
from ringfence.network.parent import OnParent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.linux.rtlink import Link
    from ringfence.network.steps import Step
    from ringfence.network.values import Attachment, Network

_MODES, _FLAGS = tuple(rtlink.IPVLAN_MODES), tuple(rtlink.IPVLAN_FLAGS)
_OPTIONS = {"mode": _MODES, "ipvlan_mode": _MODES, "flag": _FLAGS, "ipvlan_flag": _FLAGS}  # docker's words too


class Ipvlan(OnParent):
    kind = "ipvlan"
    options = _OPTIONS

    def data(self, network: Network) -> bytes:
        options = network.options
        return rtlink.ipvlan(_mode(network), options.get("flag") or options.get("ipvlan_flag") or "bridge")

    def mac(self, network: Network, attachment: Attachment, parent: Link) -> str:
        if attachment.mac not in ("", parent.mac):
            what = f"network {network.name}: {attachment.mac} cannot be a container's MAC address"
            raise InvalidInput(what, hint=f"an ipvlan has that of {network.interface}; driver macvlan has its own")
        return ""

    def routes(self, network: Network, attachment: Attachment, index: int) -> Sequence[Step]:
        if _mode(network) == "l2" or network.internal or not attachment.default:
            return super().routes(network, attachment, index)
        families = sorted({":" in address for address in attachment.addresses})
        return [
            (f"route by {attachment.interface}", rtroute.new(inside.ALL[six], 0, link=index, keep=True))
            for six in families
        ]


def _mode(network: Network) -> str:
    return network.options.get("mode") or network.options.get("ipvlan_mode") or "l2"
