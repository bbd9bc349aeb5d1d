"""start: tell a created container's first process to go on, and hear whether its program was executed."""

from __future__ import annotations

import json
import os
import socket

from ringfence.errors import CannotExecute, Conflict, Failed, InvalidInput
from ringfence.runtime import hooks, state
from ringfence.runtime.compile import START_SOCKET
from ringfence.runtime.execute import MESSAGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.runtime.state import State


def start(record: State) -> None:
    """Start a created container and run its poststart hooks.

    Raises Conflict if it is not `created`, CannotExecute or Failed if a startContainer hook or the program fails.
    """
    record.require("start")
    if not record.spec.get("process"):
        raise InvalidInput(f"cannot start container {record.id}: its spec has no process")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as knock:
        try:
            state.connect(knock, record.directory)
            knock.send(b"start")
            answer = knock.recv(MESSAGE)
        except (ConnectionRefusedError, BrokenPipeError, ConnectionResetError):
            raise Conflict(f"cannot start container {record.id}: it has been started by another") from None
    os.unlink(f"{record.directory}/{START_SOCKET}")
    if answer[:1] == b"E":
        report = json.loads(answer[1:].decode("utf-8", "replace"))
        code = int(report["errno"])
        text = report["message"] + (f": {os.strerror(code).lower()}" if code else "")
        raise (Failed if "hook" in text else CannotExecute)(text, errno=code)
    hooks.run(record, "poststart", "running")
