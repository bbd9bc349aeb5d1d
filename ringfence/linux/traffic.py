"""Traffic control of links (tc(8), rtnetlink(7)): queueing disciplines, their classes, and filters that redirect.

Only what shaping needs: a hierarchical token bucket (tc-htb(8)) with its classes, a queue in each leaf, and at a link's
clsact hooks a filter that sends all packets through another link. A handle is the number that tc writes as
MAJOR:MINOR, both hexadecimal: `handle(1, 2)` is 1:2. Rates are bits per second, sizes bytes. What the kernel lacks is
OSError ENOENT or EOPNOTSUPP.
"""

from __future__ import annotations

import errno
import os
import struct
import sys

from ringfence.linux import _libc
from ringfence.linux.netlink import Flag, pack_attribute, parse_attributes
from ringfence.linux.rtnetlink import RouteConnection, objects

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.linux.netlink import Message

NEWQDISC, DELQDISC, GETQDISC = 36, 37, 38
NEWTCLASS, DELTCLASS, GETTCLASS = 40, 41, 42
NEWTFILTER, DELTFILTER, GETTFILTER = 44, 45, 46

_TC = struct.Struct("=BxxxiIII")  # struct tcmsg: family, link's index, handle, parent, info
_RATE = struct.Struct("=BBHhHI")  # struct tc_ratespec: cell_log, link layer, overhead, cell_align, mpu, bytes a second
_HTB_CLASS = struct.Struct("=12s12sIIIII")  # struct tc_htb_opt: rate, ceil, buffer, cbuffer, quantum, level, prio
_HTB_GLOBAL = struct.Struct("=IIIII")  # struct tc_htb_glob: version, rate to quantum, default, debug, direct packets
_MIRRED = struct.Struct("=IIiiiiI")  # struct tc_mirred: index, capab, action, refcnt, bindcnt, eaction, link's index
_BASIC = struct.Struct("=QI")  # struct gnet_stats_basic: bytes, packets
_QUEUE = struct.Struct("=IIIII")  # struct gnet_stats_queue: packets, bytes waiting, drops, requeues, overlimits
_KIND, _OPTIONS, _STATS = 1, 2, 7  # TCA_*
_HTB_PARMS, _HTB_INIT, _HTB_RATE64, _HTB_CEIL64 = 1, 2, 6, 7
_BPF_ACTION, _BPF_FD, _BPF_NAME = 1, 6, 7
_ACTION_KIND, _ACTION_OPTIONS, _MIRRED_PARMS = 1, 2, 2
_STOLEN, _REDIRECT = 4, 1  # TC_ACT_STOLEN, TCA_EGRESS_REDIR
_ETHERNET = 1  # TC_LINKLAYER_ETHERNET: without it the kernel would look for a table of rates
_UINT32 = (1 << 32) - 1
_LEAST_BURST = 2000
_TICK = 64  # nanoseconds (the kernel's PSCHED_SHIFT)

ROOT = 0xFFFFFFFF
CLSACT = 0xFFFF0000  # the handle of a clsact qdisc, as tc gives it
_CLSACT_PARENT = 0xFFFFFFF1
HOOKS = {"ingress": 0xFFFFFFF2, "egress": 0xFFFFFFF3}
_EVERY_PROTOCOL = 0x0300  # ETH_P_ALL in network byte order
_FIRST = 1 << 16  # the preference of the one filter of a hook

_SCHED_CLS = 3  # BPF_PROG_TYPE_SCHED_CLS
_PRIORITY = 32  # offset of `priority` in struct __sk_buff


def handle(major: int, minor: int) -> int:
    return major << 16 | minor


class Qdisc:
    """A queueing discipline: `kind` ("htb", "clsact", ...), its own handle and that of where it stands."""

    __slots__ = ("handle", "index", "kind", "parent")

    def __init__(self, message: Message) -> None:
        _, self.index, self.handle, self.parent, _ = _TC.unpack_from(message.payload)
        self.kind = _kind(dict(parse_attributes(message.payload[_TC.size :])))


class TrafficClass:
    """A class of an htb qdisc: what it is given at least (`rate`) and at most (`ceil`), and what has passed.

    Of other qdiscs' classes (each flow is one of fq_codel) only the `kind` and the handles are read.
    """

    __slots__ = ("bytes", "ceil", "drops", "handle", "index", "kind", "packets", "parent", "rate")

    def __init__(self, message: Message) -> None:
        _, self.index, self.handle, self.parent, _ = _TC.unpack_from(message.payload)
        values = dict(parse_attributes(message.payload[_TC.size :]))
        self.kind = _kind(values)
        self.rate = self.ceil = self.bytes = self.packets = self.drops = 0
        if self.kind != "htb":
            return
        options = dict(parse_attributes(values.get(_OPTIONS, b"")))
        rate, ceil, *_ = _HTB_CLASS.unpack_from(options[_HTB_PARMS])
        self.rate = 8 * (_number(options, _HTB_RATE64) or _RATE.unpack(rate)[-1])
        self.ceil = 8 * (_number(options, _HTB_CEIL64) or _RATE.unpack(ceil)[-1])
        counted = dict(parse_attributes(values.get(_STATS, b"")))
        self.bytes, self.packets = _BASIC.unpack_from(counted[1])
        self.drops = _QUEUE.unpack_from(counted[3])[2]


class Redirection:
    """A filter at a hook that sends what passes to another link: `target` is that link's index, `name` the filter's."""

    __slots__ = ("index", "kind", "name", "parent", "target")

    def __init__(self, message: Message) -> None:
        _, self.index, _, self.parent, _ = _TC.unpack_from(message.payload)
        values = dict(parse_attributes(message.payload[_TC.size :]))
        self.kind = _kind(values)
        options = dict(parse_attributes(values.get(_OPTIONS, b"")))
        self.name = os.fsdecode(options.get(_BPF_NAME, b"").rstrip(b"\0")) if self.kind == "bpf" else ""
        self.target = 0
        if self.kind == "bpf":
            for _, action in parse_attributes(options.get(_BPF_ACTION, b"")):
                inside = dict(parse_attributes(dict(parse_attributes(action)).get(_ACTION_OPTIONS, b"")))
                if _MIRRED_PARMS in inside:
                    self.target = _MIRRED.unpack_from(inside[_MIRRED_PARMS])[-1]


class TrafficConnection(RouteConnection):
    """A connection to the traffic control of a network namespace; see RouteConnection."""

    __slots__ = ()

    def qdiscs(self, index: int = 0) -> list[Qdisc]:
        """All of them, or those of one link."""
        found = objects(Qdisc, self.dump(GETQDISC, _tc(0)))
        return [qdisc for qdisc in found if index in (0, qdisc.index)]

    def new_htb(self, index: int, major: int) -> None:
        """Give a link a root htb qdisc, or leave the one it has; packets of no class pass without limit."""
        parameters = _HTB_GLOBAL.pack(3, 10, 0, 0, 0)
        options = pack_attribute(_OPTIONS, [pack_attribute(_HTB_INIT, parameters)])
        try:
            head = _tc(index, handle(major, 0), ROOT) + _kinded("htb")
            self.request(NEWQDISC, Flag.CREATE | Flag.EXCL, head + options)
        except FileExistsError:
            return

    def new_clsact(self, index: int) -> None:
        """Give a link hooks for filters, or leave those it has."""
        try:
            self.request(NEWQDISC, Flag.CREATE | Flag.EXCL, _tc(index, CLSACT, _CLSACT_PARENT) + _kinded("clsact"))
        except FileExistsError:
            return

    def new_leaf(self, index: int, parent: int, limit: int) -> None:
        """Give a class its queue: a fair one where the kernel has that (tc-fq_codel(8)), else one of `limit` bytes."""
        head = _tc(index, 0, parent)
        try:
            self.request(NEWQDISC, Flag.CREATE | Flag.REPLACE, head + _kinded("fq_codel"))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EOPNOTSUPP):
                raise
            options = pack_attribute(_OPTIONS, struct.pack("=I", limit))  # struct tc_fifo_qopt
            self.request(NEWQDISC, Flag.CREATE | Flag.REPLACE, head + _kinded("bfifo") + options)

    def delete_clsact(self, index: int) -> None:
        """Remove a link's hooks with their filters."""
        self.request(DELQDISC, 0, _tc(index, CLSACT, _CLSACT_PARENT))

    def classes(self, index: int) -> list[TrafficClass]:
        """Those of the htb qdisc."""
        return [one for one in objects(TrafficClass, self.dump(GETTCLASS, _tc(index))) if one.kind == "htb"]

    def set_class(self, index: int, own: int, parent: int, *, rate: int, ceil: int, burst: int) -> None:
        """Make or change a class of the htb qdisc: `rate` is its own, up to `ceil` it borrows of the class above.

        `burst` may pass at once within its ceiling, of its own rate only if that is the same.
        """
        bursts = (burst if rate == ceil else _LEAST_BURST, rate), (burst, ceil)
        ticks = [min(size * 8 * 10**9 // (speed * _TICK), _UINT32) for size, speed in bursts]
        quantum = min(max(burst // 8, 1514), 60000)  # what one of several takes in its turn
        parameters = _HTB_CLASS.pack(_speed(rate), _speed(ceil), *ticks, quantum, 0, 0)
        options = [pack_attribute(_HTB_PARMS, parameters)]
        for kind, speed in ((_HTB_RATE64, rate), (_HTB_CEIL64, ceil)):
            if speed // 8 > _UINT32:
                options.append(pack_attribute(kind, struct.pack("=Q", speed // 8)))
        head = _tc(index, own, parent)
        self.request(NEWTCLASS, Flag.CREATE, head + _kinded("htb") + pack_attribute(_OPTIONS, options))

    def delete_class(self, index: int, own: int) -> None:
        """EBUSY while there are classes below it."""
        self.request(DELTCLASS, 0, _tc(index, own))

    def redirections(self, index: int, hook: str) -> list[Redirection]:
        """The filters at a hook of a link, one line of each."""
        found = objects(Redirection, self.dump(GETTFILTER, _tc(index, 0, HOOKS[hook])))
        return [one for one in found if one.target]

    def redirect(self, index: int, hook: str, target: int, own: int, name: str) -> None:
        """Send all that passes a hook through another link's root qdisc, as of the class `own`; replaces what is there.

        What comes out there goes on where it would have gone. `name` is for people who look.
        """
        program = _libc.bpf_prog_load(_SCHED_CLS, _classify(own))
        try:
            parameters = _MIRRED.pack(0, 0, _STOLEN, 0, 0, _REDIRECT, target)
            inside = pack_attribute(_ACTION_OPTIONS, [pack_attribute(_MIRRED_PARMS, parameters)])
            action = pack_attribute(1, [pack_attribute(_ACTION_KIND, "mirred"), inside])  # the first of a list
            options = [pack_attribute(_BPF_ACTION, action), pack_attribute(_BPF_FD, program),
                       pack_attribute(_BPF_NAME, name)]  # fmt: skip
            head = _tc(index, 1, HOOKS[hook], _FIRST | _EVERY_PROTOCOL)
            self.request(NEWTFILTER, Flag.CREATE, head + _kinded("bpf") + pack_attribute(_OPTIONS, options))
        finally:
            os.close(program)

    def delete_redirection(self, index: int, hook: str) -> None:
        self.request(DELTFILTER, 0, _tc(index, 0, HOOKS[hook], _FIRST | _EVERY_PROTOCOL))


def _classify(own: int) -> bytes:
    """A program that writes a class's handle into a packet's priority, where htb looks for it, and takes every packet.

    Whatever the packet's sender had put there (SO_PRIORITY, socket(7)) is gone with that.
    """
    return b"".join(
        struct.pack("=BBhi", *instruction)
        for instruction in (
            (0xB4, 2, 0, own),  # r2 = own
            (0x63, 1 | 2 << 4, _PRIORITY, 0),  # *(u32 *)(context + 32) = r2
            (0xB7, 0, 0, -1),  # r0 = -1: the filter matches
            (0x95, 0, 0, 0),  # return
        )
    )


def _tc(index: int, own: int = 0, parent: int = 0, info: int = 0) -> bytes:
    return _TC.pack(0, index, own, parent, info)


def _kinded(kind: str) -> bytes:
    return pack_attribute(_KIND, kind)


def _speed(bits: int) -> bytes:
    return _RATE.pack(0, _ETHERNET, 0, 0, 0, min(bits // 8, _UINT32))


def _kind(values: dict[int, bytes]) -> str:
    return os.fsdecode(values[_KIND].rstrip(b"\0"))


def _number(values: dict[int, bytes], type: int) -> int:
    return int.from_bytes(values.get(type, b""), sys.byteorder)
