"""`ringfence network ls`: list networks."""

from __future__ import annotations

import sys

from ringfence.cli import filters
from ringfence.cli.format import HELP, Format
from ringfence.cli.parser import Flag
from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("filter", "Show only those for which this holds (such as driver=bridge, name=TEXT)", "f", "list",
         metavar="filter"),
    Flag("format", HELP, kind="value"),
    Flag("no-trunc", "Do not shorten anything"),
    Flag("quiet", "Print only IDs", "q"),
)  # fmt: skip
HEADINGS = {
    "ID": "NETWORK ID", "Name": "NAME", "Driver": "DRIVER", "Scope": "SCOPE", "IPv4": "IPV4", "IPv6": "IPV6",
    "Internal": "INTERNAL", "Labels": "LABELS", "CreatedAt": "CREATED AT", "Subnets": "SUBNETS",
    "Interface": "INTERFACE",
}  # fmt: skip


def row(network: dict[str, Any], *, whole: bool) -> dict[str, Any]:
    """The columns of one network."""
    labels = network["Labels"]
    return {
        "ID": network["Id"] if whole else network["Id"][:12],
        "Name": network["Name"],
        "Driver": network["Driver"],
        "Scope": network["Scope"],
        "IPv4": str(network["EnableIPv4"]).lower(),
        "IPv6": str(network["EnableIPv6"]).lower(),
        "Internal": str(network["Internal"]).lower(),
        "CreatedAt": network["Created"],
        "Subnets": ",".join(subnet["Subnet"] for subnet in network["IPAM"]["Config"]),
        "Interface": network["Interface"],
        "Labels": ",".join(f"{name}={value}" for name, value in sorted(labels.items())),
        "Label": lambda name: labels.get(name, ""),
    }


def run(engine: Engine, arguments: Arguments) -> int:
    wanted, whole = Format(arguments.text("format")), arguments.on("no-trunc")
    networks = engine.network_ls(filters=filters.parse(arguments.many("filter")))
    if arguments.on("quiet"):
        sys.stdout.writelines(f"{network['Id'] if whole else network['Id'][:12]}\n" for network in networks)
        return 0
    columns = ("ID", "Name", "Driver", "Scope")
    sys.stdout.write(wanted.text((row(network, whole=whole) for network in networks), HEADINGS, columns))
    return 0


VERB = Verb(run, "[OPTIONS]", "List networks", FLAGS)
