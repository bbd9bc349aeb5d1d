"""kill -9 at any instant: the next command completes or rolls back, and running containers run on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from ringfence.engine import places, rm
from ringfence.engine.create import reserve
from ringfence.engine.lock import Lock
from ringfence.engine.options import parse
from ringfence.engine.records import REMOVING
from ringfence.errors import NotFound

if TYPE_CHECKING:
    from ringfence import Engine


def remains(engine: Engine) -> dict[str, list[str]]:
    """What there is of containers: records, directories, runtime states, snapshots."""
    return {
        "records": [record.id for record in engine.records.all()],
        "directories": os.listdir(f"{engine.root}/containers"),
        "states": os.listdir(f"{engine.state}/containers") if os.path.isdir(f"{engine.state}/containers") else [],
        "snapshots": [snapshot.key for snapshot in engine.snapshots.walk() if snapshot.kind == "active"],
    }


NOTHING: dict[str, list[str]] = {"records": [], "directories": [], "states": [], "snapshots": []}


def abandoned(engine: Engine, **options: object) -> str:
    """A container whose creator was killed just before it was complete."""
    record, lock = reserve(engine, "host", ["true"], parse(options))
    lock.release()
    return record.id


def test_an_abandoned_creation_is_rolled_back_by_a_look(engine: Engine) -> None:
    abandoned(engine)
    assert engine.ps(all=True) == []
    assert remains(engine) == NOTHING


def test_an_abandoned_name_can_be_taken(engine: Engine) -> None:
    old = abandoned(engine, name="web")
    assert engine.create("host", ["true"], name="web").id != old


def test_a_creation_that_goes_on_is_left_alone(engine: Engine) -> None:
    record, lock = reserve(engine, "host", ["true"], parse({}))
    with lock:
        assert engine.ps(all=True) == []
        engine.system_prune()
        assert engine.records.get(record.id) is not None
        rm.remove(engine, record)


def test_a_removal_that_was_cut_off_is_completed(engine: Engine) -> None:
    container = engine.create("host", ["true"])
    engine.records.mark(engine.records.find(container.id), REMOVING)
    with pytest.raises(NotFound):
        container.start()
    assert remains(engine) == NOTHING


def test_what_has_no_record_is_swept(engine: Engine) -> None:
    container = engine.create("host", ["true"])
    engine.records.delete(container.id)
    engine.system_prune()
    assert remains(engine) == NOTHING


def test_what_was_cut_off_before_anything_was_in_it_is_swept(engine: Engine) -> None:
    os.makedirs(places.bundle(engine, "e" * 64))
    os.makedirs(places.runtime_state(engine, "f" * 64))
    engine.system_prune()
    assert remains(engine) == NOTHING


def test_a_start_that_was_cut_off_does_not_hinder_the_next(engine: Engine) -> None:
    container = engine.create("host", ["true"])
    record = engine.records.find(container.id)
    record.started = True
    engine.records.save(record)
    os.makedirs(places.runtime_state(engine, container.id))
    container.start()
    assert container.wait(timeout=10) == 0


def test_a_lock_of_a_removed_container_is_not_taken_for_that_of_a_new_one(engine: Engine) -> None:
    container = engine.create("host", ["true"])
    held = Lock(engine, container.id)
    held.take()
    rm.remove_directory(places.bundle(engine, container.id))
    with pytest.raises(NotFound):
        Lock(engine, container.id).take()
    held.release()


def test_what_others_do_meanwhile_is_no_error_of_a_look(engine: Engine) -> None:
    program = (
        f"from ringfence import Engine\ne = Engine({engine.root!r}, {engine.state!r})\n"
        "for _ in range(60): e.run('host', ['sh', '-c', 'for i in 1 2 3; do echo >x; rm x; done'], rm=True, detach={})"
    )
    engine.images()
    others = [subprocess.Popen([sys.executable, "-c", program.format(detach)]) for detach in (False, True)]
    while any(other.poll() is None for other in others):
        engine.ps(all=True, size=True)
        engine.df()
        engine.info()
        list(engine.stats(stream=False, interval=0))
        engine.container_prune()
        engine.system_prune()
    assert [other.returncode for other in others] == [0, 0]


@pytest.mark.timeout(240)
def test_a_killed_engine_leaves_nothing_behind_and_stops_nobody(engine: Engine) -> None:
    bystander = engine.run("host", ["sleep", "600"], detach=True)
    before = remains(engine)
    program = (
        f"from ringfence import Engine\ne = Engine({engine.root!r}, {engine.state!r})\n"
        "while True:\n    e.run('host', ['true'], rm=True)\n    e.create('host', ['true'], rm=True).remove()\n"
    )
    chance = random.Random(7)
    for _ in range(15):
        workers = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(2)]
        time.sleep(0.4 + chance.random() * 0.15)
        for worker in workers:
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            time.sleep(chance.random() * 0.05)
    deadline = time.monotonic() + 20
    while remains(engine) != before and time.monotonic() < deadline:
        engine.container_prune()
        engine.system_prune()
        time.sleep(0.1)
    assert remains(engine) == before
    assert bystander.status == "running"
