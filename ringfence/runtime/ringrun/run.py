"""`ringrun run`: create and start; in the foreground the exit status is the program's."""

from __future__ import annotations

from ringfence.commandline import Flag
from ringfence.runtime.ringrun import terminal
from ringfence.runtime.ringrun.launch import FLAGS, destroy, launch
from ringfence.runtime.ringrun.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.runtime.ringrun.verb import Call


def run(call: Call) -> int:
    detach = call.flags.on("detach")
    held = [] if detach else terminal.hold_back()
    executed = launch(call, wait=False, stays=not detach)
    _poststart(call)
    if detach:
        executed.release()
        return 0
    status = terminal.attend(executed, held)
    if call.proxy is not None:
        call.warn(call.proxy.finish())
    if not call.flags.on("keep"):
        destroy(call)
    return status


def _poststart(call: Call) -> None:
    if not call.record().hooks:
        return
    from ringfence.runtime import hooks, state

    try:
        hooks.run(call.record(), "poststart", state.RUNNING)
    except BaseException:
        destroy(call)
        raise


VERB = Verb(run, "CONTAINER", "Create and start a container, and delete it at its end", (
    *FLAGS,
    Flag("detach", "do not wait for its end", "d"),
    Flag("keep", "do not delete it at its end"),
))  # fmt: skip
