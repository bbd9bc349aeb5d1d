"""The image `host` follows this machine's programs: a run that finds them changed renews it, and nobody else pays."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ringfence.images import host_inputs

if TYPE_CHECKING:
    from ringfence import Engine


def outdated(engine: Engine) -> str:
    """Make `host` an image of a machine whose programs were others; returns its ID."""
    made = engine.run("host", ["touch", "/of-old-programs"])
    engine.commit(made.id, "host")
    engine.rm(made.id)
    remember(engine, changed=True)
    return engine.image_store.get("host").id


def remember(engine: Engine, *, changed: bool) -> None:
    """Record that the present `host` was made of this machine's programs, or of ones that were longer by a byte."""
    path = Path(engine.root, "host.json")
    inputs = json.loads(path.read_text())["inputs"]
    if changed:
        inputs = [(path, [state[0] + 1, *state[1:]] if state else None) for path, state in inputs]
    host_inputs.remember(engine.root, engine.image_store.get("host").digest, inputs, python=False)


def age(engine: Engine, seconds: float) -> None:
    past = time.time() - seconds
    os.utime(Path(engine.root, "host.stamp"), (past, past))


def test_a_program_that_was_replaced_renews_the_image_to_what_a_fresh_one_would_be(engine: Engine) -> None:
    fresh = engine.image_store.get("host").digest
    old = outdated(engine)
    Path(engine.root, "host.stamp").unlink()  # a directory of programs has another time: the stamp holds no more

    assert engine.run("host", ["ls", "/of-old-programs"], rm=True).exit_code != 0

    assert engine.image_store.get("host").digest == fresh
    assert old not in {image["Id"] for image in engine.images()}


def test_containers_of_the_old_image_go_on_and_keep_it(engine: Engine) -> None:
    old = outdated(engine)
    before = engine.run("host", ["sleep", "60"], detach=True)
    Path(engine.root, "host.stamp").unlink()

    engine.run("host", ["true"], rm=True)

    assert before.exec(["ls", "/of-old-programs"]).exit_code == 0
    before.restart(timeout=0)
    assert before.exec(["ls", "/of-old-programs"]).exit_code == 0
    assert old in {image["Id"] for image in engine.images()}


def test_a_program_that_was_rewritten_in_place_is_noticed_when_the_stamp_is_old(engine: Engine) -> None:
    old = outdated(engine)

    assert engine.image_store.get(engine.create("host").inspect()["Image"]).id == old
    age(engine, host_inputs.TRUSTED + 1)
    assert engine.create("host").inspect()["Image"] != old


def test_an_image_that_a_person_called_host_is_theirs(engine: Engine) -> None:
    made = engine.run("host", ["touch", "/mine"])
    mine = engine.commit(made.id, "host")
    age(engine, host_inputs.TRUSTED + 1)
    assert engine.run("host", ["ls", "/mine"], rm=True).exit_code == 0
    assert engine.image_store.get("host").id == mine


def test_the_look_costs_a_start_next_to_nothing(engine: Engine) -> None:
    engine.run("host", ["true"], rm=True)
    digest = engine.image_store.get("host").digest
    times = []
    for _ in range(50):
        start = time.perf_counter()
        assert host_inputs.fresh(engine.root, digest, python=False)
        times.append(time.perf_counter() - start)
    assert sorted(times)[25] < 0.0005  # here 0.07 ms


def test_another_directory_time_is_no_change_of_the_image_and_is_remembered(engine: Engine) -> None:
    engine.run("host", ["true"], rm=True)
    image = engine.image_store.get("host")
    stamp = Path(engine.root, "host.stamp")
    before = stamp.read_text()
    stamp.write_text(before.replace("\n", "\n1", 1))

    assert engine.create("host").inspect()["Image"] == image.id
    assert stamp.read_text() == before
