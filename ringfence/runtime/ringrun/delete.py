"""`ringrun delete`: remove what `create` made, and the record."""

from __future__ import annotations

from ringfence.commandline import Flag
from ringfence.errors import NotFound
from ringfence.runtime import claim, delete, state
from ringfence.runtime.ringrun.several import REGEX, each
from ringfence.runtime.ringrun.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.runtime.ringrun.verb import Call


def run(call: Call) -> int:
    each(call, lambda id: _delete(call, id, call.flags.on("force")))
    return 0


def _delete(call: Call, id: str, force: bool) -> None:
    try:
        record = state.load(call.root, id)
    except NotFound:
        if not force:
            raise
        claim.remove(f"{call.root}/{claim.check_id(id)}")  # of a create that was killed before its record
        return
    call.warn(delete.delete(record, call.driver(record), force=force))


VERB = Verb(run, "CONTAINER", "Delete a container that is stopped, or was never started", (
    Flag("force", "kill it first; no error if it does not exist", "f"),
    REGEX,
))  # fmt: skip
