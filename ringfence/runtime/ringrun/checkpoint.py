"""`ringrun checkpoint` and `ringrun restore`: refused in one clear line, until CRIU is built in."""

from __future__ import annotations

from ringfence.commandline import Arguments, HelpWanted
from ringfence.errors import Unsupported
from ringfence.runtime.ringrun.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.runtime.ringrun.verb import Call


class Refused(Verb):
    """A verb whose flags do not matter yet."""

    def parse(self, name: str, words: Sequence[str]) -> Arguments:
        """Whatever stands there."""
        if "--help" in words or "-h" in words:
            raise HelpWanted
        return Arguments({})


def run(call: Call) -> int:
    raise Unsupported(f"{call.name}: not built yet: containers cannot be saved to disk and brought back")


VERB = Refused(run, "CONTAINER", "Not built yet: containers cannot be saved to disk and brought back")
