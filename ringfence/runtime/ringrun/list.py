"""`ringrun list`: the containers below --root."""

from __future__ import annotations

from ringfence import json
from ringfence.commandline import Flag, UsageError
from ringfence.errors import NotFound
from ringfence.runtime import state
from ringfence.runtime.ringrun.state import described
from ringfence.runtime.ringrun.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ringfence.runtime.ringrun.verb import Call

COLUMNS = ("id", "pid", "status", "bundle", "created", "owner")
FORMAT = Flag("format", "table or json", "f", kind="value", default="table", metavar="FORMAT")


def run(call: Call) -> int:
    if call.flags.on("quiet"):
        print("".join(f"{id}\n" for id in state.identifiers(call.root)), end="")
        return 0
    if in_json(call):
        print(json.dumps([*_containers(call)]))
        return 0
    rows = [[name.upper() for name in COLUMNS]]
    rows += [[str(one[name]) for name in COLUMNS] for one in _containers(call)]
    widths = [max(12, *(len(row[column]) + 3 for row in rows)) for column in range(len(COLUMNS))]
    for row in rows:
        print("".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def in_json(call: Call) -> bool:
    """Whether --format asks for JSON."""
    wanted = call.flags.text("format")
    if wanted not in ("table", "json"):
        raise UsageError(f"--format: {wanted} is neither table nor json")
    return wanted == "json"


def _containers(call: Call) -> Iterator[dict[str, Any]]:
    for id in state.identifiers(call.root):
        try:
            record = state.load(call.root, id)
            yield described(record, record.status(frozen=call.frozen(record)))
        except (NotFound, FileNotFoundError):
            continue  # deleted while we looked


VERB = Verb(run, "", "List the containers below --root", (
    FORMAT,
    Flag("quiet", "ids only", "q"),
), (0, 0))  # fmt: skip
