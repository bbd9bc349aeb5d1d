"""start: execute a container's program. Its lock is held from the look at its status until it runs."""

from __future__ import annotations

import errno
import os

from ringfence.engine import health, places, repair, status
from ringfence.engine import launch as launching
from ringfence.engine.lock import Lock
from ringfence.engine.options import Options
from ringfence.engine.options_network import requests
from ringfence.engine.session import Session
from ringfence.errors import CannotExecute, Conflict, Failed, RingfenceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.engine import Engine
    from ringfence.engine.plug import Plug
    from ringfence.engine.plug_rootless import RootlessPlug
    from ringfence.engine.records import ContainerRecord
    from ringfence.runtime.interface import Launch, Started

NOT_FOUND, CANNOT_EXECUTE, FAILED = 127, 126, 128
"""The exit codes that `inspect` shows of a start that failed: no such program, not executable, anything else."""


def start(engine: Engine, name: str) -> None:
    """See Engine.start."""
    record = repair.find(engine, name)
    with Lock(engine, record.id):
        record = repair.fresh(engine, record)
        if not _refuse_paused(engine, record).live:
            begin(engine, record).close()


def launch(engine: Engine, name: str, window: tuple[int, int]) -> Session:
    """See Engine.launch."""
    record = repair.find(engine, name)
    with Lock(engine, record.id):
        record = repair.fresh(engine, record)
        if _refuse_paused(engine, record).live:
            raise Conflict(f"container {record.name} is already running", hint="attach to it")
        return begin(engine, record, window=window)


def begin(engine: Engine, record: ContainerRecord, *, window: tuple[int, int] = (0, 0), by_policy: bool = False,
          keep: bool = True, locked: bool = False, repeated: bool = False) -> Session:  # fmt: skip
    """Start a container that does not run and whose lock we hold; the session is its owner's.

    Nothing is written to the record unless `keep`: a --rm container's needs to know nothing of starts. If the start
    fails, the record keeps the reason; a --rm container is removed. `locked`: the caller keeps the lock and
    removes the container. `repeated`: see Launch.meanwhile.
    """
    options = Options.from_json(record.options)
    if record.started:
        _forget_last_run(engine, record)
    if keep:
        _mark_started(engine, record, by_policy)
    plug: Plug | RootlessPlug | None = None
    try:
        if requests(options):
            from ringfence.engine.plug import take

            plug = take(engine, record, options)
        order = launching.prepare(engine, record, options, window, plug)
        if repeated:
            order.meanwhile = lambda: _meanwhile(engine, record, order)
        else:
            launching.write_spec(order)
        if health.interval(record, options):
            health.reset(engine, record)
        if options.pidfile:
            started = _with_pidfile(options.pidfile, lambda: engine.runtime_of(record).start(order))
        else:
            started = engine.runtime_of(record).start(order)
    except BaseException as error:
        if plug is not None:
            plug.give_back()
        if isinstance(error, (RingfenceError, OSError, KeyboardInterrupt)) and not locked:
            _failed(engine, record, error)
        raise
    finally:
        if plug is not None:
            plug.close()
    owner = None
    if record.auto_remove and not locked:
        owner = lambda ended: finish(engine, record, later=repeated and ended)  # noqa: E731
    return Session(record.id, started.control, tty=options.tty, pid=started.pid, stdin=options.interactive,
                   at_exit=owner)  # fmt: skip


def _meanwhile(engine: Engine, record: ContainerRecord, order: Launch) -> None:
    """While a container is being made: what it does not wait for, what the last one left, what the next may need."""
    launching.write_spec(order)
    engine.snapshots.clear()
    engine.snapshots.get_ready(record.parent)


def finish(engine: Engine, record: ContainerRecord, *, later: bool = False) -> None:
    """What the owner of a --rm container does at its exit: remove it, if nobody else has. `later`: see rm.remove.

    That its lock can be taken says that it is there, so the record is not read again.
    """
    from ringfence.engine import rm
    from ringfence.errors import NotFound

    try:
        with Lock(engine, record.id):
            rm.remove(engine, record, volumes=True, later=later)
    except NotFound:
        return


def _refuse_paused(engine: Engine, record: ContainerRecord) -> status.Status:
    current = status.of(engine, record)
    if current.word == "paused":
        raise Conflict(f"cannot start container {record.name}: it is paused", hint="unpause it")
    return current


def _mark_started(engine: Engine, record: ContainerRecord, by_policy: bool) -> None:
    """Before the start, so that one whose end nobody recorded is not taken for one that was never started."""
    record.started, record.stopped, record.error, record.start_code = True, False, "", 0
    if not by_policy:
        record.restarts = record.streak = 0
        record.counted = -1
    if "restart" in record.options:
        from ringfence.engine import restart_policy

        record.boot, record.for_boot = restart_policy.boot(), False
    engine.records.save(record)


def _forget_last_run(engine: Engine, record: ContainerRecord) -> None:
    """Clear what the last run left: the runtime's state and the exit record; the log goes on."""
    from ringfence.engine import rm

    rm.forget_run(engine, record)
    if os.path.exists(places.exit_file(engine, record.id)):
        os.unlink(places.exit_file(engine, record.id))


def _failed(engine: Engine, record: ContainerRecord, error: RingfenceError | OSError | KeyboardInterrupt) -> None:
    from ringfence.engine import rm

    if record.auto_remove:
        rm.remove(engine, record, volumes=True)
        return
    rm.forget_run(engine, record)
    record.started, record.error, record.start_code = False, str(error) or "interrupted", FAILED
    if isinstance(error, CannotExecute):
        record.start_code = NOT_FOUND if error.errno == errno.ENOENT else CANNOT_EXECUTE
    engine.records.save(record)


def _with_pidfile(path: str, start: Callable[[], Started]) -> Started:
    """Start with a pid file that can be written to; Failed, and nothing was started, if it cannot."""
    from ringfence.linux.pidfile import PidFile

    try:
        file = PidFile(path)
    except OSError as error:
        raise Failed(f"--pidfile: cannot write {path}: {error.strerror}", errno=error.errno or 0) from error
    try:
        started = start()
    except BaseException:
        file.forget()
        raise
    try:
        file.write(started.pid)
    except OSError as error:
        raise Failed(f"--pidfile: cannot write {path}: {error.strerror}", errno=error.errno or 0) from error
    return started
