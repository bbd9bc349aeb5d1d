"""What drivers call things where nobody chose a name: a link's other end on the host, MAC addresses, marks of links."""

from __future__ import annotations

from _blake2 import blake2b  # of what `hashlib` brings along, all that is needed: 0.2 ms instead of 4

from ringfence.network import addresses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.network.values import Attachment, Network


def host_link(attachment: Attachment) -> str:
    """The same for the same container and interface, and nobody else's: found again after a crash. 15 bytes."""
    return f"rfv{_digest(attachment.container, attachment.interface)}"


def mac_of(attachment: Attachment) -> str:
    """As docker makes it, of the IPv4 address: who had the address before had the same, so no neighbour errs."""
    four = [one for one in attachment.addresses if ":" not in one]
    if four:
        return _mac(addresses.to_number(four[0].partition("/")[0])[1].to_bytes(4, "big"))
    return _mac(bytes.fromhex(_digest(attachment.network, *attachment.addresses or (attachment.container,)))[:4])


def bridge_mac(network: Network) -> str:
    """A bridge's own; without one it takes that of a port, and changes with them."""
    return _mac(bytes.fromhex(_digest(network.id))[:4])


MARK = "ringfence "
LINK_LOCAL = ("fe80::1", 64)
"""What a host's end has in place of the address that IPv6 would make by itself, and not use for one or two seconds, in
which nothing would be forwarded to a container: neighbours are asked for from it."""


def mark(network: Network) -> str:
    """The alias (ip-link(8)) of what was made for a network as a whole: what bears it may be removed with that."""
    return MARK + network.id


def _mac(last: bytes) -> str:
    return (b"\x02\x42" + last).hex(":")


def _digest(*parts: str) -> str:
    return blake2b("\0".join(parts).encode(), digest_size=6).hexdigest()


def of_container(attachment: Attachment) -> str:
    return f"container {attachment.container[:12]}"
