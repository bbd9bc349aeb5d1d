"""`ringfence group ls`: list groups."""

from __future__ import annotations

import sys

from ringfence.cli import filters, units
from ringfence.cli.format import HELP, Format
from ringfence.cli.parser import Flag
from ringfence.cli.verb import Verb
from ringfence.engine.bandwidth import rate_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("filter", "Show only those for which this holds (such as name=TEXT, label=KEY=VALUE)", "f", "list",
         metavar="filter"),
    Flag("format", HELP, kind="value"),
    Flag("no-trunc", "Do not shorten anything"),
    Flag("quiet", "Print only names", "q"),
)  # fmt: skip
HEADINGS = {
    "Name": "NAME", "ID": "GROUP ID", "Containers": "CONTAINERS", "CPUs": "CPUS", "CPUShares": "CPU SHARES",
    "Memory": "MEMORY", "PIDs": "PIDS", "Egress": "EGRESS", "Ingress": "INGRESS",
    "CreatedAt": "CREATED AT", "Labels": "LABELS",
}  # fmt: skip
COLUMNS = ("Name", "Containers", "CPUs", "CPUShares", "Memory", "PIDs", "Egress", "Ingress")


def row(group: dict[str, Any], *, whole: bool) -> dict[str, Any]:
    """The columns of one group; what is not limited is a dash."""
    limits, labels = group["Limits"], group["Labels"]
    quota = limits["NanoCpus"] / 10**9 or max(0, limits["CpuQuota"]) / (limits["CpuPeriod"] or 100_000)
    pids = limits["PidsLimit"] or 0
    return {
        "Name": group["Name"],
        "ID": group["Id"] if whole else group["Id"][:12],
        "Containers": str(len(group["Containers"])),
        "CPUs": f"{quota:g}" if quota else "-",
        "CPUShares": str(limits["CpuShares"] or "-"),
        "Memory": units.binary_size(limits["Memory"]) if limits["Memory"] else "-",
        "PIDs": str(pids) if pids > 0 else "-",
        "Egress": rate_text(limits["NetworkEgress"]),
        "Ingress": rate_text(limits["NetworkIngress"]),
        "CreatedAt": group["Created"],
        "Labels": ",".join(f"{name}={value}" for name, value in sorted(labels.items())),
        "Label": lambda name: labels.get(name, ""),
    }


def run(engine: Engine, arguments: Arguments) -> int:
    wanted, whole = Format(arguments.text("format")), arguments.on("no-trunc")
    groups = engine.group_ls(filters=filters.parse(arguments.many("filter")))
    if arguments.on("quiet"):
        sys.stdout.writelines(group["Name"] + "\n" for group in groups)
        return 0
    sys.stdout.write(wanted.text((row(group, whole=whole) for group in groups), HEADINGS, COLUMNS))
    return 0


VERB = Verb(run, "[OPTIONS]", "List groups", FLAGS)
