"""The containers that a verb is for: those named, or with podman's `--all` and `--filter` those there are."""

from __future__ import annotations

from ringfence.cli import filters
from ringfence.cli.parser import Flag, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FILTER = Flag("filter", "Choose those for which this holds (such as restart-policy=always)", "f", "list",
              metavar="filter")  # fmt: skip


def names(engine: Engine, arguments: Arguments, verb: str) -> list[str]:
    """The operands, or the ids of all containers that pass the filters, the oldest first: a newer one may join it."""
    choosing = arguments.on("all") or bool(arguments.many("filter"))
    if not choosing and not arguments.operands:
        raise UsageError(f"'ringfence {verb}' requires at least 1 argument", status=1)
    if not choosing:
        return arguments.operands
    if arguments.operands:
        raise UsageError("--all and --filter choose the containers: none can be named as well", status=1)
    found = engine.ps(all=True, filters=filters.parse(arguments.many("filter")))
    return [container["Id"] for container in reversed(found)]
