"""attach: join the stdio of a container that runs, through its monitor's socket."""

from __future__ import annotations

import os

from ringfence.engine import events, places, repair, status
from ringfence.engine.options import Options
from ringfence.engine.session import Session
from ringfence.errors import Conflict
from ringfence.linux import sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.engine import Engine


def attach(engine: Engine, name: str) -> Session:
    """See Engine.attach."""
    record = repair.find(engine, name)
    current = status.of(engine, record)
    if current.word != "running":
        hint = "unpause it" if current.word == "paused" else ""
        raise Conflict(f"cannot attach to container {record.name}: it is {current.word}", hint=hint)
    options = Options.from_json(record.options)
    connection = connect(places.attach_socket(engine, record.id))
    if connection is None:
        raise Conflict(f"cannot attach to container {record.name}: it has just ended")
    events.emit_container(engine, record, "attach")
    return Session(record.id, connection, tty=options.tty, pid=current.pid, stdin=options.interactive)


def connect(path: str) -> sockets.Socket | None:
    """A connection to the monitor, or None if it has ended. A path may be longer than an address (unix(7): 108)."""
    connection = sockets.Socket(sockets.AF_UNIX, sockets.SOCK_SEQPACKET)
    try:
        directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            connection.connect(f"/proc/self/fd/{directory}/{os.path.basename(path)}")
        finally:
            os.close(directory)
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    except BaseException:
        connection.close()
        raise
    return connection
