"""`ringrun kill`: a signal to the first process of a container, or to all."""

from __future__ import annotations

from ringfence.commandline import Flag
from ringfence.linux import signals
from ringfence.runtime import kill, state
from ringfence.runtime.ringrun.several import REGEX, each
from ringfence.runtime.ringrun.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.runtime.ringrun.verb import Call


def run(call: Call) -> int:
    word = [*call.flags.operands, "SIGTERM"][1]
    signal = 0 if word == "0" else signals.parse(word)  # 0 asks whether there is somebody (kill(2))
    each(call, lambda id: _kill(call, state.load(call.root, id), signal))
    return 0


def _kill(call: Call, record: state.State, signal: int) -> None:
    kill.kill(record, signal, call.driver(record), all=call.flags.on("all"))


VERB = Verb(run, "CONTAINER [SIGNAL]", "Send a signal to the first process of a container, TERM if none is named", (
    Flag("all", "to all its processes", "a"),
    REGEX,
), (1, 2))  # fmt: skip
