"""`ringrun start`: let a created container's program run."""

from __future__ import annotations

import os

from ringfence.runtime import start
from ringfence.runtime.ringrun.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.runtime.ringrun.notify import Proxy
    from ringfence.runtime.ringrun.verb import Call


def run(call: Call) -> int:
    record = call.record()
    proxy = _proxy(record.directory)
    start.start(record)
    if proxy is not None:
        proxy.await_ready(record.pid)
    return 0


def _proxy(directory: str) -> Proxy | None:
    if not os.environ.get("NOTIFY_SOCKET"):
        return None
    from ringfence.runtime.ringrun import notify

    found = notify.proxy() if os.path.isdir(f"{directory}/{notify.DIRECTORY}") else None
    if found is not None:
        found.listen(directory)
    return found


VERB = Verb(run, "CONTAINER", "Let a created container's program run")
