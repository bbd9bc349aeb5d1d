"""`ringfence ps`: list containers."""

from __future__ import annotations

import sys

from ringfence.cli import filters, units
from ringfence.cli.format import HELP, Format
from ringfence.cli.parser import Flag
from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("all", "Show all containers, not only running ones", "a"),
    Flag("filter", "Show only those for which this holds (such as status=exited, label=KEY=VALUE)", "f", "list",
         metavar="filter"),
    Flag("format", HELP, kind="value"),
    Flag("last", "Show the n newest containers, in whatever state", "n", "int", default=-1),
    Flag("latest", "Show the newest container, in whatever state", "l"),
    Flag("no-trunc", "Do not shorten anything"),
    Flag("quiet", "Print only IDs", "q"),
    Flag("size", "Show sizes", "s"),
)  # fmt: skip
HEADINGS = {
    "ID": "CONTAINER ID", "Image": "IMAGE", "Command": "COMMAND", "CreatedAt": "CREATED AT", "RunningFor": "CREATED",
    "Ports": "PORTS", "State": "STATE", "Status": "STATUS", "Size": "SIZE", "Names": "NAMES", "Labels": "LABELS",
    "Mounts": "MOUNTS", "LocalVolumes": "LOCAL VOLUMES", "Networks": "NETWORKS",
}  # fmt: skip
COLUMNS = ("ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names")


def row(container: dict[str, Any], *, whole: bool) -> dict[str, Any]:
    """The columns of one container; with `whole` nothing is shortened."""
    from ringfence.cli.template_functions import quoted

    command, labels = container["Command"], container["Labels"] or {}
    mounts = [mount.get("Name") or mount.get("Source", "") for mount in container["Mounts"]]
    virtual = container.get("SizeRootFs", 0)
    return {
        "ID": container["Id"] if whole else container["Id"][:12],
        "Image": container["Image"],
        "Command": quoted(command if whole else units.ellipsis(command, 20)),
        "CreatedAt": units.moment(container["Created"]),
        "RunningFor": units.ago(container["Created"]),
        "Ports": ports(container["Ports"]),
        "State": container["State"],
        "Status": container["Status"],
        "Size": units.size(container.get("SizeRw", 0)) + (f" (virtual {units.size(virtual)})" if virtual else ""),
        "Names": ",".join(name.removeprefix("/") for name in container["Names"]),
        "Labels": ",".join(f"{name}={value}" for name, value in sorted(labels.items())),
        "Label": lambda name: labels.get(name, ""),
        "Mounts": ",".join(mount if whole else units.ellipsis(mount, 15) for mount in mounts),
        "LocalVolumes": str(sum(mount.get("Driver") == "local" for mount in container["Mounts"])),
        "Networks": ",".join(container["NetworkSettings"]["Networks"]),
    }


def ports(rows: list[dict[str, Any]]) -> str:
    """`0.0.0.0:8080->80/tcp, [::]:8080->80/tcp`; ports in a row are told as a range, as docker does."""
    groups: list[list[Any]] = []  # [address, first and last of the host's ports, first and last inside, protocol]
    for row in sorted(rows, key=lambda row: (row["Type"], row.get("IP", ""), row["PrivatePort"])):
        outer, inner = row.get("PublicPort", 0), row["PrivatePort"]
        last = groups[-1] if groups else None
        follows = last and (last[0], last[5]) == (row.get("IP", ""), row["Type"]) and last[4] + 1 == inner
        if last and follows and (not outer or last[2] + 1 == outer):
            last[2], last[4] = outer, inner
        else:
            groups.append([row.get("IP", ""), outer, outer, inner, inner, row["Type"]])
    return ", ".join(_ports(*group) for group in groups)


def _ports(ip: str, begin: int, end: int, first: int, last: int, protocol: str) -> str:
    inside = f"{first}-{last}" if last > first else str(first)
    if not begin:
        return f"{inside}/{protocol}"
    outside = f"{begin}-{end}" if end > begin else str(begin)
    return f"{f'[{ip}]' if ':' in ip else ip}:{outside}->{inside}/{protocol}"


def run(engine: Engine, arguments: Arguments) -> int:
    wanted = Format(arguments.text("format"))
    last = 1 if arguments.on("latest") else arguments.number("last") or -1
    size = arguments.on("size") or (wanted.wanted is not None and "Size" in wanted.wanted)
    containers = engine.ps(all=arguments.on("all"), filters=filters.parse(arguments.many("filter")), last=last,
                           size=size and not arguments.on("quiet"))  # fmt: skip
    whole = arguments.on("no-trunc")
    if arguments.on("quiet"):
        sys.stdout.writelines((found["Id"] if whole else found["Id"][:12]) + "\n" for found in containers)
        return 0
    columns = (*COLUMNS, "Size") if arguments.on("size") else COLUMNS
    sys.stdout.write(wanted.text((row(found, whole=whole) for found in containers), HEADINGS, columns))
    return 0


VERB = Verb(run, "[OPTIONS]", "List containers", FLAGS)
