"""Waiting, for less than a millisecond as a rule, until what was set up lets the first packet pass.

Without it that packet is lost, and sent again after a second: the kernel finishes both of these on its own threads.
"""

from __future__ import annotations

import time

from ringfence.linux import sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ringfence.linux.rtnetlink import RouteConnection

_PATIENCE = 0.1  # seconds; what does not come in time is no failure: a parent without a cable, a kernel without IPv6
_PAUSE = 0.0005
_GROUPS = "/proc/thread-self/net/igmp6"
_SOLICITED_NODE = bytes.fromhex("ff0200000000000000000001ff")  # RFC 4291, 2.7.1: and an address's last three bytes


def await_carrier(connection: RouteConnection, index: int) -> None:
    """Until a link has the queue that belongs to its new carrier (the kernel's "linkwatch").

    From Linux 6.8 on it has it at the latest when somebody asks for the link.
    """
    _wait(lambda: connection.link(index).ready)


def await_groups(interface: str, addresses: Sequence[str]) -> None:
    """Until neighbours' questions for IPv6 addresses are heard: until their groups are joined, in our own namespace."""
    wanted = [_SOLICITED_NODE + sockets.pack_address(address)[1][-3:] for address in addresses if ":" in address]
    if wanted:
        _wait(lambda: all((interface, group.hex()) in _joined() for group in wanted))


def _joined() -> set[tuple[str, str]]:
    """(interface, group) of the lines of /proc/net/igmp6."""
    try:
        with open(_GROUPS) as stream:
            return {(fields[1], fields[2]) for fields in map(str.split, stream) if len(fields) > 2}
    except FileNotFoundError:  # a kernel without IPv6
        return set()


def _wait(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not done() and time.monotonic() < deadline:
        time.sleep(_PAUSE)
