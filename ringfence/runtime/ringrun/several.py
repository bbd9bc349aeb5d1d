"""`--regex` of kill and delete, as crun has it: the first operand is a pattern that ids are looked up by."""

from __future__ import annotations

from ringfence.commandline import Flag
from ringfence.errors import InvalidInput, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.runtime.ringrun.verb import Call

REGEX = Flag("regex", "CONTAINER is a regular expression: do it to all whose ids it matches", "r")


def each(call: Call, act: Callable[[str], None]) -> None:
    """`act` on the container that was named, or on every one that the pattern matches, but what goes meanwhile."""
    if not call.flags.on("regex"):
        act(call.id)
        return
    import re

    from ringfence.runtime import state

    try:
        pattern = re.compile(call.id)
    except re.error as error:
        raise InvalidInput(f'--regex: "{call.id}" is no regular expression: {error}') from None
    for id in state.identifiers(call.root):
        if pattern.search(id):
            try:
                act(id)
            except NotFound:
                continue
