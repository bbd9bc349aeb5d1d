"""`ringfence network connect`: put a container, running or not, into a network."""

from __future__ import annotations

from ringfence.cli.parser import Flag
from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("alias", "A further name of the container in the network", kind="list"),
    Flag("interface", "Name of its interface in the container", kind="value", metavar="name"),
    Flag("ip", "IPv4 address", kind="value"),
    Flag("ip6", "IPv6 address", kind="value"),
    Flag("mac-address", "MAC address", kind="value"),
)


def run(engine: Engine, arguments: Arguments) -> int:
    network, container = arguments.operands
    engine.network_connect(
        network,
        container,
        alias=arguments.many("alias"),
        interface=arguments.text("interface"),
        ip=arguments.text("ip"),
        ip6=arguments.text("ip6"),
        mac_address=arguments.text("mac-address"),
    )
    return 0


VERB = Verb(run, "[OPTIONS] NETWORK CONTAINER", "Put a container into a network", FLAGS, (2, 2))
