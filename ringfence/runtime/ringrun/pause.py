"""`ringrun pause`: all processes of a container stand still at once."""

from __future__ import annotations

from ringfence.runtime import pause
from ringfence.runtime.ringrun.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.runtime.ringrun.verb import Call


def run(call: Call) -> int:
    pause.pause(call.record(), call.driver())
    return 0


VERB = Verb(run, "CONTAINER", "Suspend all processes of a container")
