"""`ringrun create`: everything but the program, which waits for `start`."""

from __future__ import annotations

from ringfence.runtime.ringrun.launch import FLAGS, launch
from ringfence.runtime.ringrun.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.runtime.ringrun.verb import Call


def run(call: Call) -> int:
    launch(call, wait=True, stays=False).release()
    return 0


VERB = Verb(run, "CONTAINER", "Create a container; its program runs when `start` says so", FLAGS)
