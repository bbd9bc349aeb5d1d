"""start: tell a created container's first process to go on, and hear whether its program was executed."""

from __future__ import annotations

import os

from ringfence import json
from ringfence.errors import CannotExecute, Conflict, Failed, InvalidInput, RingfenceError
from ringfence.linux import sockets
from ringfence.runtime import hooks, state
from ringfence.runtime.execute import MESSAGE
from ringfence.runtime.facts import START_SOCKET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.runtime.listener import Listener
    from ringfence.runtime.state import State


def start(record: State) -> None:
    """Start a created container and run its poststart hooks.

    Raises Conflict if it is not `created`, CannotExecute or Failed if a hook or the program fails; where a hook did,
    or the seccomp agent, the container is destroyed (runtime.md, Lifecycle: 7, 9, 12, 13).
    """
    record.require("start")
    if not record.spec.get("process"):
        raise InvalidInput(f"cannot start container {record.id}: its spec has no process")
    agent = _listener(record)
    try:
        with sockets.Socket(sockets.AF_UNIX, sockets.SOCK_SEQPACKET) as knock:
            try:
                state.connect(knock, record.directory)
                knock.send(b"start")
                _hear(knock, record, agent)
            except (ConnectionRefusedError, BrokenPipeError):
                raise Conflict(f"cannot start container {record.id}: it has been started by another") from None
        os.unlink(f"{record.directory}/{START_SOCKET}")
        hooks.run(record, "poststart", state.RUNNING)
    except Failed as error:
        if not isinstance(error, CannotExecute):
            _destroy(record, error)
        raise
    finally:
        if agent is not None:
            agent.close()


def _hear(knock: sockets.Socket, record: State, agent: Listener | None) -> None:
    """Until the program is executed, which closes the connection, or an error is told."""
    executing = False
    while True:
        answer = knock.receive(MESSAGE)
        if not answer and not executing:
            raise Conflict(f"cannot start container {record.id}: it has been started by another")
        if not answer:
            return
        executing = executing or answer[:1] == b"X"
        if answer[:1] == b"L" and agent is not None:
            number, address = answer[1:].rstrip(b"\0").split()
            agent.hand_over(record.pid, int(number), int(address))
        if answer[:1] == b"E":
            report = json.loads(answer[1:].decode("utf-8", "replace"))
            code = int(report["errno"])
            text = report["message"] + (f": {os.strerror(code).lower()}" if code else "")
            raise (Failed if "hook" in text else CannotExecute)(text, errno=code)


def _listener(record: State) -> Listener | None:
    """The agent of a filter that notifies, connected before anything happens."""
    profile = (record.spec.get("linux") or {}).get("seccomp")
    if not profile or not profile.get("listenerPath"):
        return None
    from ringfence.runtime import compile_hooks, listener

    bundle = str(record.document["bundle"])
    return listener.listener(profile, compile_hooks.state(record.spec, record.id, bundle, state.CREATED, record.pid))


def _destroy(record: State, error: Failed) -> None:
    """Kill and delete; what its poststop hooks say, or what prevents it, is told as notes."""
    from ringfence.linux import cgroups
    from ringfence.runtime import delete

    try:
        record = state.load(os.path.dirname(record.directory), record.id)  # whose process may have ended meanwhile
        notes = delete.delete(record, cgroups.usable(record.manager), force=True)
    except (RingfenceError, OSError) as further:
        notes = [str(further)]
    for note in notes:
        error.add_note(note)
