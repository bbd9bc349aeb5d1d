"""exec: another process in a running container, as its first one but for what the caller says."""

from __future__ import annotations

from ringfence import json
from ringfence.engine import events, names, places, repair, status
from ringfence.engine.container import RunResult
from ringfence.engine.options import Options, parse
from ringfence.engine.session import Session
from ringfence.errors import Conflict, InvalidInput
from ringfence.runtime.interface import Monitoring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ringfence.engine import Engine
    from ringfence.engine.records import ContainerRecord
    from ringfence.engine.status import Status

ALLOWED = frozenset(
    ("detach", "detach_keys", "env", "env_file", "environ", "interactive", "privileged", "tty", "user", "workdir")
)


def run(engine: Engine, name: str, command: Sequence[str], raw: Mapping[str, object], *, detach: bool,
        input: bytes | None) -> RunResult:  # fmt: skip
    """See Engine.exec."""
    raw = raw if input is None else {**raw, "interactive": True}
    with session(engine, name, command, raw, (0, 0)) as opened:
        if detach:
            return RunResult(0, b"", b"", opened.id)
        code, output, errors = opened.collect(input)
    return RunResult(code, output, errors, opened.id)


def session(engine: Engine, name: str, command: Sequence[str], raw: Mapping[str, object],
            window: tuple[int, int]) -> Session:  # fmt: skip
    """See Engine.exec_session."""
    return begin(engine, repair.find(engine, name), command, raw, window=window)


def begin(engine: Engine, record: ContainerRecord, command: Sequence[str], raw: Mapping[str, object], *,
          window: tuple[int, int] = (0, 0), timeout: int = 0) -> Session:  # fmt: skip
    """Start the process. Conflict unless the container runs; CannotExecute if the program cannot be executed."""
    for word in raw:
        if word not in ALLOWED:
            raise InvalidInput(f"unknown flag: --{word.replace('_', '-')}")
    if isinstance(command, str) or not command:
        raise InvalidInput("exec: the command must be a list with at least the program")
    options = parse(raw)
    current = status.of(engine, record)
    if current.word != "running":
        hint = "unpause it" if current.word == "paused" else ""
        raise Conflict(f"container {record.name} is {current.word}, not running", hint=hint)
    id = names.new_id()
    monitoring = Monitoring(terminal=options.tty, stdin=options.interactive, window=window, timeout=timeout)
    events.emit_container(engine, record, f"exec_create: {' '.join(command)}", execID=id)
    started = engine.runtime_of(record).exec(record.id, _process(engine, record, command, options, current), monitoring,
                                  privileged=options.privileged)  # fmt: skip
    events.emit_container(engine, record, f"exec_start: {' '.join(command)}", execID=id)
    return Session(id, started.control, tty=options.tty, pid=started.pid, stdin=options.interactive)


def _process(engine: Engine, record: ContainerRecord, command: Sequence[str], options: Options,
             current: Status) -> dict[str, Any]:  # fmt: skip
    """The runtime-spec `process`: the container's own, with what the caller gave put in its place."""
    with open(f"{places.bundle(engine, record.id)}/config.json", encoding="utf-8", errors="surrogateescape") as file:
        process: dict[str, Any] = json.load(file)["process"]
    environment = {entry.partition("=")[0]: entry for entry in process.get("env") or ()}
    if options.tty:
        environment.setdefault("TERM", "TERM=xterm")
    environment |= {entry.partition("=")[0]: entry for entry in options.env}
    process |= {"args": list(command), "terminal": options.tty, "env": list(environment.values())}
    if options.workdir:
        process["cwd"] = options.workdir
    if options.user:
        process["user"] = _user(engine, record, options.user, current)
    _capabilities(process, options.privileged)
    return process


def _user(engine: Engine, record: ContainerRecord, name: str, current: Status) -> dict[str, Any]:
    from ringfence.engine import root, users

    with root.live(engine, record, current) as opened:
        user = users.resolve(opened, name)
    return {"uid": user.uid, "gid": user.gid, "additionalGids": user.additional_gids}


def _capabilities(process: dict[str, Any], privileged: bool) -> None:
    """Root has what the container may have, another user nothing of it in effect; --privileged is all of ours."""
    from ringfence.linux import capabilities

    held = process.get("capabilities") or {}
    bounding = held.get("bounding") or []
    if privileged:
        bounding = capabilities.names(capabilities.of()["bounding"])
        process["noNewPrivileges"] = False
    process["capabilities"] = {"bounding": bounding}
    if process["user"]["uid"] == 0:
        process["capabilities"] |= {"effective": bounding, "permitted": bounding}
