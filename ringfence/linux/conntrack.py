"""Connections that the kernel tracks (linux/netfilter/nfnetlink_conntrack.h): those that one answers are forgotten.

A datagram of a known connection goes where its first one went, whatever nftables says by now; for a protocol without an
end, such as UDP, that lasts as long as the client goes on sending.
"""

from __future__ import annotations

import errno

from ringfence.linux import sockets
from ringfence.linux.netfilter import HEAD, NetfilterConnection
from ringfence.linux.netlink import pack_attribute, parse_attributes

_GET, _DELETE = 0x101, 0x102  # NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, ..._DELETE
_ORIGINAL, _REPLY, _FILTER = 1, 2, 25  # CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_FILTER
_IP, _PROTOCOL = 1, 2  # CTA_TUPLE_IP, CTA_TUPLE_PROTO
_NUMBER = 1  # CTA_PROTO_NUM
_SOURCE = {4: 1, 16: 3}  # CTA_IP_V4_SRC, CTA_IP_V6_SRC, by the length of an address
_OF_SOURCE, _OF_PROTOCOL = 1 << 0, 1 << 3  # CTA_FILTER_FLAG(CTA_IP_SRC), ...(CTA_PROTO_NUM)
_NESTED = 0x8000


def forget(connection: NetfilterConnection, protocol: int, address: bytes) -> int:
    """Forget the connections of that protocol that this address (packed) answers; how many they were.

    The kernel looks at all that it knows, 10 ms for a table of 262144 places. OSError EINVAL or EOPNOTSUPP where it
    does not tell (without nf_conntrack_netlink).
    """
    family = sockets.AF_INET if len(address) == 4 else sockets.AF_INET6
    source = pack_attribute(_IP | _NESTED, [pack_attribute(_SOURCE[len(address)], address)])
    number = pack_attribute(_PROTOCOL | _NESTED, [pack_attribute(_NUMBER, bytes((protocol,)))])
    # A filter in the kernel since Linux 5.9, without effect before: looked at again below. For an address of IPv6 it
    # leaves out what is asked for (Linux 6.18 at least).
    by = _OF_PROTOCOL | (_OF_SOURCE if family == sockets.AF_INET else 0)
    flags = [pack_attribute(1, 0), pack_attribute(2, by)]
    wanted = pack_attribute(_REPLY | _NESTED, source + number) + pack_attribute(_FILTER | _NESTED, flags)
    count = 0
    for answer in connection.dump(_GET, HEAD.pack(family, 0, 0) + wanted):
        values = dict(parse_attributes(answer.payload[HEAD.size :]))
        if answered_by(values.get(_REPLY, b"")) == (protocol, address):
            count += _delete(connection, family, values[_ORIGINAL])
    return count


def _delete(connection: NetfilterConnection, family: int, original: bytes) -> bool:
    try:
        connection.request(_DELETE, 0, HEAD.pack(family, 0, 0) + pack_attribute(_ORIGINAL | _NESTED, original))
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return False  # it has ended meanwhile
    return True


def answered_by(reply: bytes) -> tuple[int, bytes]:
    """The protocol and the source of a connection's answers, as the kernel tells them; OSError EBADMSG."""
    values = dict(parse_attributes(reply))
    address = dict(parse_attributes(values.get(_IP, b"")))
    number = dict(parse_attributes(values.get(_PROTOCOL, b""))).get(_NUMBER, b"")
    return int.from_bytes(number, "big"), next((address[type] for type in _SOURCE.values() if type in address), b"")
