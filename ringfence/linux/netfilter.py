"""The part of netlink that belongs to netfilter (linux/netfilter/nfnetlink.h): nftables, connection tracking."""

from __future__ import annotations

import struct

from ringfence.linux import sockets
from ringfence.linux.netlink import Connection

HEAD = struct.Struct(">BBH")  # struct nfgenmsg: family, version, resource
_NETLINK_NETFILTER = 12


class NetfilterConnection(Connection):
    """A connection to netfilter in our network namespace."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(_NETLINK_NETFILTER)

    def close(self) -> None:
        """The last descriptor of such a socket is closed by the kernel itself, a moment later.

        Its release waits until all that was removed from nftables, by whomever, is freed: for a grace period, 5 to
        50 ms (measured), which a process that has nothing else to do would wait for.
        """
        sockets.close_later(self._socket)
