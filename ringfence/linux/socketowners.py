"""Who has a port: the kernel's tables of internet sockets (proc_pid_net(5)), and the processes that hold a socket."""

from __future__ import annotations

import os

from ringfence.linux import processes

_TABLES = {"tcp": ("tcp", "tcp6"), "udp": ("udp", "udp6"), "sctp": ()}  # sctp's has no inodes


class Owner:
    """A process that has a socket open: its pid, its name, and its arguments."""

    __slots__ = ("command", "name", "pid")

    def __init__(self, pid: int, name: str, command: list[str]) -> None:
        self.pid = pid
        self.name = name
        self.command = command


def of_port(protocol: str, port: int) -> Owner | None:
    """A process of this network namespace that has the port, whatever the address; None if none is to be seen."""
    inodes: set[int] = set()
    for table in _TABLES[protocol]:
        try:
            with open(f"/proc/net/{table}", encoding="ascii") as file:
                inodes |= inodes_of_port(file.read(), port)
        except FileNotFoundError:  # a kernel without IPv6
            continue
    return _holder({f"socket:[{inode}]" for inode in inodes})


def inodes_of_port(table: str, port: int) -> set[int]:
    """The inodes of the sockets whose local port this is; a connection that nobody holds any more has none."""
    found = set()
    for line in table.splitlines()[1:]:
        fields = line.split()
        try:
            local, inode = int(fields[1].rpartition(":")[2], 16), int(fields[9])
        except (IndexError, ValueError):
            continue  # the tables are for people as well: what is not a line of them says nothing
        if local == port and inode:
            found.add(inode)
    return found


def _holder(links: set[str]) -> Owner | None:
    for name in os.listdir("/proc") if links else ():
        if not name.isdigit():
            continue
        try:
            if any(os.readlink(f"/proc/{name}/fd/{number}") in links for number in os.listdir(f"/proc/{name}/fd")):
                pid = int(name)
                return Owner(pid, processes.status(pid).name, processes.command(pid))
        except OSError:  # it has ended, or closed that file, or is another user's
            continue
    return None
