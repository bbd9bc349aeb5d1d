"""`ringrun resume`: what `pause` stopped goes on."""

from __future__ import annotations

from ringfence.runtime import pause
from ringfence.runtime.ringrun.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.runtime.ringrun.verb import Call


def run(call: Call) -> int:
    pause.resume(call.record(), call.driver())
    return 0


VERB = Verb(run, "CONTAINER", "Let the processes of a paused container go on")
