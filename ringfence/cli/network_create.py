"""`ringfence network create`: make a network, and print its ID."""

from __future__ import annotations

from ringfence.cli.parser import Flag
from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("disable-dns", "Containers do not find each other by their names"),
    Flag("driver", "Driver of the network: bridge, macvlan, ipvlan, ptp, cni", "d", "value", default="bridge"),
    Flag("gateway", "Address of the gateway, one for a subnet", kind="list"),
    Flag("interface-name", "Name of the bridge, or parent of a macvlan or ipvlan", kind="value", metavar="name"),
    Flag("internal", "No way out of the network, and none into it"),
    Flag("ip-range", "Part of the subnet from which addresses are handed out", kind="list"),
    Flag("ipv6", "Give it an IPv6 subnet, too"),
    Flag("label", "Set metadata (KEY=VALUE)", kind="list"),
    Flag("opt", "Option of the driver (KEY=VALUE), such as mtu=1400, parent=eth0, isolate=false", "o", "list"),
    Flag("route", "Static route of its containers (DESTINATION,GATEWAY)", kind="list"),
    Flag("subnet", "Subnet of the network (10.5.0.0/24, fd00:5::/64), one of a family", kind="list"),
)


def run(engine: Engine, arguments: Arguments) -> int:
    made = engine.network_create(
        arguments.operands[0],
        driver=arguments.text("driver"),
        subnet=arguments.many("subnet"),
        gateway=arguments.many("gateway"),
        ip_range=arguments.many("ip-range"),
        internal=arguments.on("internal"),
        ipv6=arguments.on("ipv6"),
        opt=arguments.many("opt"),
        label=arguments.many("label"),
        route=arguments.many("route"),
        interface_name=arguments.text("interface-name"),
        disable_dns=arguments.on("disable-dns"),
    )
    print(made["Id"])
    return 0


VERB = Verb(run, "[OPTIONS] NETWORK", "Make a network", FLAGS, (1, 1))
