"""`ringrun start`: let a created container's program run."""

from __future__ import annotations

from ringfence.runtime import start
from ringfence.runtime.ringrun.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.runtime.ringrun.verb import Call


def run(call: Call) -> int:
    start.start(call.record())
    return 0


VERB = Verb(run, "CONTAINER", "Let a created container's program run")
