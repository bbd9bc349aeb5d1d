"""An ordinary user's container in the network: by pasta or slirp4netns, one for each container, with its ports.

It stands where `bridge` does for root; networks of one's own need root. The program runs from before the container's
program to its end, and is found by a file of the container's alone (ringfence/network/rootless.py).
"""

from __future__ import annotations

import os

from ringfence.engine import places, spec_files, status
from ringfence.engine.options_network import DEFAULT, requests
from ringfence.engine.spec_files import Place
from ringfence.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.engine import Engine
    from ringfence.engine.options import Options
    from ringfence.engine.records import ContainerRecord
    from ringfence.network.ports import Reserved

PROGRAMS = ("pasta", "slirp4netns")
TUN = "/dev/net/tun"


class RootlessPlug:
    """See plug.Plug."""

    __slots__ = ("_engine", "_options", "_record", "reserved")

    def __init__(self, engine: Engine, record: ContainerRecord, options: Options, reserved: list[Reserved]) -> None:
        self._engine = engine
        self._record = record
        self._options = options
        self.reserved = reserved

    def place(self) -> Place:
        """Nothing yet: where names are asked is the program's to say."""
        return Place()

    def give_back(self) -> None:
        """After a start that failed."""
        release(self._engine, self._record.id)

    def connect(self, pid: int) -> None:
        """Start the program for the container in whose process this is. Unsupported, Failed in the program's words."""
        from ringfence.linux import namespaces, pidfd
        from ringfence.network import rootless

        self.close()  # from here on the ports are the program's
        ports = [one.port for one in self.reserved]
        interface = requests(self._options)[0]["interface"] or "eth0"
        with namespaces.open(pid, "network") as namespace, pidfd.open(pid) as process:
            server = rootless.connect(_file(self._engine, self._record.id), namespace, ports, interface=interface,
                                      process=process.fileno())  # fmt: skip
        if not self._options.dns:
            bundle = places.bundle(self._engine, self._record.id)
            spec_files.rewrite(self._record.id, self._options, bundle, Place(servers=[server]))

    def close(self) -> None:
        for one in self.reserved:
            one.close()


def take(engine: Engine, record: ContainerRecord, options: Options) -> RootlessPlug:
    """Choose the host's ports. Unsupported for a network that an ordinary user cannot have."""
    from ringfence.engine import ports

    admit(options)
    return RootlessPlug(engine, record, options, ports.reserve(engine, record, options))


def admit(options: Options) -> None:
    """Unsupported for networks of one's own, for addresses, which are the program's to give, and without its device."""
    rows = requests(options)
    if [row["name"] for row in rows] != [DEFAULT]:
        raise Unsupported(f"--network: {options.network}: networks of one's own need root",
                          hint="leave it out, or use none, host or container:NAME")  # fmt: skip
    for key in ("ip", "ip6", "mac"):
        if rows[0][key]:
            raise Unsupported(f"--network: {rows[0][key]}: an ordinary user's container cannot choose its addresses")
    if not os.access(TUN, os.R_OK | os.W_OK):
        raise Unsupported(f"pasta and slirp4netns need {TUN}, which this user cannot open",
                          hint=f"as the machine's administrator: chmod 666 {TUN}; or use --network none")  # fmt: skip


def release(engine: Engine, id: str) -> None:
    """End the program of a container, and give back its ports. It may be repeated."""
    from ringfence.network import rootless

    rootless.disconnect(_file(engine, id))
    if engine.networks.ports(id):
        engine.networks.unpublish(id)


def sweep(engine: Engine) -> None:
    """End the programs of containers of this engine that do not run any more."""
    directory = os.path.dirname(_file(engine, ""))
    for id in os.listdir(directory) if os.path.isdir(directory) else ():
        record = engine.records.get(id)
        if record is not None and not status.of(engine, record).live:
            release(engine, id)


def usable() -> str:
    """Why this user's containers can be in no network; "" if they can."""
    found = [name for name in PROGRAMS for directory in os.get_exec_path() if os.access(f"{directory}/{name}", os.X_OK)]
    if not found:
        return "neither pasta nor slirp4netns is installed"
    if not os.access(TUN, os.R_OK | os.W_OK):
        return f"{TUN} cannot be opened"
    return "" if _routed() else "no route of this machine leads out"


def _routed() -> bool:
    """Whether this machine has a default route, of either family (proc_pid_net(5)); pasta does not start without."""
    for path, field, default in (("/proc/net/route", 1, "00000000"), ("/proc/net/ipv6_route", 1, "00")):
        try:
            with open(path, encoding="ascii") as file:
                rows = [line.split() for line in file]
        except FileNotFoundError:
            continue
        if any(len(row) > field and row[field] == default and row[-1] != "lo" for row in rows):
            return True
    return False


def _file(engine: Engine, id: str) -> str:
    """/run/user/UID/netns/ID, where Debian's AppArmor profile lets pasta look, unless the state is elsewhere."""
    return f"{os.path.dirname(engine.state)}/netns/{id}"
