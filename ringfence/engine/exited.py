"""After an exit that no owner saw: the monitor turns into this program, which removes or restarts the container.

It is also the program of whatever else is done when nobody waits: a health check, networks without containers.
"""

from __future__ import annotations

import os
import time

from ringfence.engine import repair, restart_policy, rm, start, status
from ringfence.engine.lock import Lock
from ringfence.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.engine import Engine
    from ringfence.engine.records import ContainerRecord

LOOK = 1.0
"""Seconds between two looks, during a long wait, at whether the container is still to be restarted."""


def main(arguments: Sequence[str]) -> None:
    """Called with: verb, root, state, snapshotter, id (see launch.command)."""
    from ringfence.engine import Engine

    verb, root, state, snapshotter, id = arguments
    if verb == "exited" and os.fork():
        os._exit(0)  # the monitor has ended for all who wait for its pid; we go on in its place
    with Engine(root, state, snapshotter=snapshotter) as engine:
        try:
            if verb == "idle":
                from ringfence.engine import idle

                idle.wait(engine)
            elif verb == "exited":
                engine.exited(id)
            else:
                engine.healthcheck(id)
        except NotFound:
            return  # a person has removed it meanwhile


def exited(engine: Engine, name: str) -> None:
    """See Engine.exited."""
    record = engine.records.find(name)
    with Lock(engine, record.id):
        record = repair.fresh(engine, record)
        if status.of(engine, record).live:
            return
        if record.auto_remove:
            rm.remove(engine, record, volumes=True)
            return
        rm.forget_networks(engine, record)
        ending = status.ending(engine, record)
        if ending is None or not restart_policy.due(record, ending):
            return
        place = restart_policy.hold(engine, record.id)
        if place is None:
            return
        seconds = restart_policy.count(record, ending)
        engine.records.save(record)
    try:
        _restart(engine, record, ending["finished_at"], seconds)
    finally:
        os.close(place)


def _restart(engine: Engine, record: ContainerRecord, finished_at: int, seconds: float) -> None:
    """Wait, and start it again if nobody has started, stopped or removed it meanwhile."""
    deadline = time.monotonic() + seconds
    while True:
        left = deadline - time.monotonic()
        if left > 0:
            time.sleep(min(left, LOOK))
        with Lock(engine, record.id):
            record = repair.fresh(engine, record)
            ending = status.ending(engine, record)
            if ending is None or ending["finished_at"] != finished_at:
                return
            if record.stopped or status.of(engine, record).live:
                return
            if left <= LOOK:
                start.begin(engine, record, by_policy=True).close()
                return
