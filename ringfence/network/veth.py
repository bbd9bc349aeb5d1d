"""A veth(4), one end on the host and one in a container: made whole by one request, kept, replaced, removed."""

from __future__ import annotations

import errno

from ringfence.errors import Conflict
from ringfence.linux import rtlink
from ringfence.linux.rtnetlink import RouteConnection
from ringfence.network import checks, naming, steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.network.steps import Step
    from ringfence.network.values import Attachment, Network


def make(host: RouteConnection, network: Network, attachment: Attachment, namespace: int, joined: Sequence[Step], *,
         mtu: int, master: int = 0) -> bool:  # fmt: skip
    """Whether it was made just now; it may be there already, from the same call before. Our end is up afterwards.

    `joined` is done with our end before it comes up. Conflict if the container has another link of that name.
    """
    checks.check_attachment(network, attachment)
    attachment.host_link = attachment.host_link or naming.host_link(attachment)
    name, where = attachment.host_link, f"network {network.name}, {naming.of_container(attachment)}"
    far = rtlink.veth(attachment.interface, mtu=mtu, mac=attachment.mac or naming.mac_of(attachment),
                      namespace=namespace)  # fmt: skip
    new = f"make {attachment.interface}", rtlink.new(name, "veth", mtu=mtu, master=master, data=far)
    rest = [*joined, (f"bring {name} up", rtlink.change(name, up=True))]
    for _ in range(2):
        errors = host.request_all([request for _, request in (new, *rest)])
        if errors[0] is None:
            for (what, _), error in zip((new, *rest), errors, strict=True):
                if error is not None:
                    host.request_all([rtlink.delete(name)])
                    raise steps.problem(f"{where}: cannot {what}", error)
            return True
        if errors[0].errno != errno.EEXIST:
            raise steps.problem(f"{where}: cannot {new[0]}", errors[0])
        ours = steps.find(host, name)
        if ours is None:
            raise Conflict(f"{where}: it has an interface {attachment.interface} already")
        if _leads_into(ours, attachment, namespace):
            joins = [(f"join {name}", rtlink.change(name, master=master))] if ours.master != master else []
            steps.perform(host, where, [*joins, *rest])
            return False
        # Of an earlier start of the container, left by a kill or about to go with that start's namespace.
        steps.perform(host, where, [(f"remove {name}", rtlink.delete(ours.index))], harmless={errno.ENODEV})
    raise Conflict(f"{where}: {name} comes back when it is removed", hint="does something else make such links?")


def _leads_into(ours: rtlink.Link, attachment: Attachment, namespace: int) -> bool:
    with RouteConnection(namespace) as inside:
        far = steps.find(inside, attachment.interface)
    return far is not None and far.kind == "veth" and (far.peer, ours.peer) == (ours.index, far.index)


def remove(network: Network, attachment: Attachment, namespace: int | None) -> None:
    """With our end the other one goes.

    The kernel takes 10 to 50 ms to remove a link and does so by itself when a namespace has gone, so that in that case
    our end is only cut off. That takes 0.1 ms, and nothing passes it any more.
    """
    name = attachment.host_link or naming.host_link(attachment)
    cut = [(f"bring {name} down", rtlink.change(name, master=0, up=False))]
    removal = [(f"remove {name}", rtlink.delete(name))]
    with RouteConnection() as host:
        where = f"network {network.name}, {naming.of_container(attachment)}"
        steps.perform(host, where, cut if namespace is None else removal, harmless={errno.ENODEV})
