"""top: a container's processes as the host's ps(1) shows them."""

from __future__ import annotations

from ringfence.engine import repair, status
from ringfence.errors import Conflict, Failed, InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Any

    from ringfence.engine import Engine

DEFAULT = ("-ef",)


def top(engine: Engine, name: str, arguments: Sequence[str]) -> dict[str, Any]:
    """See Engine.top. InvalidInput if ps does not take the arguments, or prints no PID to go by."""
    import subprocess

    record = repair.find(engine, name)
    if not status.of(engine, record).live:
        raise Conflict(f"container {record.name} is not running")
    pids = engine.runtime_of(record).processes(record.id)
    try:
        ran = subprocess.run(["ps", *(arguments or DEFAULT)], capture_output=True, text=True, errors="replace",
                             check=False, timeout=30)  # fmt: skip
    except FileNotFoundError as error:
        raise Failed("top: this machine has no ps", errno=error.errno or 0, hint="install procps") from None
    if ran.returncode:
        reason = (ran.stderr.strip() or "it failed").splitlines()[0]
        raise InvalidInput(f"top: ps {' '.join(arguments)}: {reason}")
    return select(ran.stdout, pids)


def select(text: str, pids: Collection[int]) -> dict[str, Any]:
    """Titles and the lines whose PID is one of `pids`, from what ps printed; the last column keeps its spaces."""
    lines = text.splitlines()
    titles = lines[0].split() if lines else []
    if "PID" not in titles:
        raise InvalidInput("top: ps must print the column PID")
    column = titles.index("PID")
    rows = [line.split(None, len(titles) - 1) for line in lines[1:]]
    return {"Titles": titles, "Processes": [row for row in rows if len(row) > column and int(row[column]) in pids]}
