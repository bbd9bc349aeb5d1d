"""`ringrun exec`: another process in a running container; in the foreground the exit status is its own."""

from __future__ import annotations

from ringfence.commandline import Flag, UsageError
from ringfence.errors import InvalidInput
from ringfence.runtime import exec
from ringfence.runtime.ringrun import handover, terminal
from ringfence.runtime.ringrun.verb import MANY, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.runtime.ringrun.verb import Call


def run(call: Call) -> int:
    record = call.record()
    process = _process(call, record.spec.get("process") or {})
    detach = call.flags.on("detach")
    handover.check_console(call, bool(process.get("terminal")), detach)
    held = [] if detach else terminal.hold_back()
    executed = exec.exec(
        record,
        process,
        None,
        preserve=handover.preserved(call, 0),
        frozen=call.frozen(record) and not call.flags.on("ignore-paused"),
        subgroups=_subgroups(call.flags.many("cgroup")),
        parent="reaper" if detach else "caller",
        checked=_of_container_alone(call),
    )
    try:
        handover.give(call, executed)
    except BaseException:  # nobody would know of it
        exec.abandon(executed)
        raise
    if not detach:
        terminal.adopt_orphans(record.spec)
        return terminal.attend(executed, held)
    executed.release()
    return 0


def _of_container_alone(call: Call) -> bool:
    """Whether the process is the container's own, which was checked when that was created, but for plain arguments."""
    return not call.flags.given.keys() - {"detach"} and all(word.isascii() for word in call.flags.operands)


def _process(call: Call, base: dict[str, Any]) -> dict[str, Any]:
    """The process object of a file, or the container's own with what the flags change."""
    path = call.flags.text("process")
    if path:
        from ringfence.oci.shape import parse_json

        with open(path, "rb") as file:
            process = parse_json(file.read(), path)
        if not isinstance(process, dict):
            raise InvalidInput(f"{path}: is not a JSON object")
        return process
    if len(call.flags.operands) < 2:
        raise UsageError("exec: a command is required")
    process = {key: value for key, value in base.items() if key != "consoleSize"}
    process |= {
        "args": call.flags.operands[1:],
        "terminal": call.flags.on("tty"),
        "env": [*(base.get("env") or []), *call.flags.many("env")],
        "user": {**(base.get("user") or {}), **(_user(call.flags.text("user")) if "user" in call.flags.given else {})},
    }
    process.setdefault("cwd", "/")
    for flag, field in (("cwd", "cwd"), ("apparmor", "apparmorProfile"), ("process-label", "selinuxLabel")):
        if call.flags.text(flag):
            process[field] = call.flags.text(flag)
    groups = call.flags.many("additional-gids")
    if groups:
        added = [_id("--additional-gids", group) for group in groups]
        process["user"]["additionalGids"] = [*(process["user"].get("additionalGids") or []), *added]
    if "no-new-privs" in call.flags.given:
        process["noNewPrivileges"] = call.flags.on("no-new-privs")
    if call.flags.many("cap"):
        process["capabilities"] = _with_capabilities(process.get("capabilities") or {}, call.flags.many("cap"))
    return process


def _user(text: str) -> dict[str, int]:
    uid, colon, gid = text.partition(":")
    user = {"uid": _id("--user", uid)}
    return {**user, "gid": _id("--user", gid)} if colon else user


def _id(flag: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise InvalidInput(f'{flag}: "{text}" is not the number of a user or a group')
    return int(text)


def _with_capabilities(sets: dict[str, list[str]], added: list[str]) -> dict[str, list[str]]:
    """Never inheritable (CVE-2022-29162); ambient only where the container has some inheritable, as runc."""
    kinds = ["bounding", "effective", "permitted", *(["ambient"] if sets.get("inheritable") else [])]
    return {**sets, **{kind: [*(sets.get(kind) or []), *added] for kind in kinds}}


def _subgroups(given: list[str]) -> dict[str, str]:
    """--cgroup [CONTROLLER[,CONTROLLER...]:]PATH as controller → path below the container's cgroup; "" is for all."""
    found: dict[str, str] = {}
    for text in given:
        names, colon, path = text.rpartition(":")
        for name in names.split(",") if colon else [""]:
            if colon and not name:
                raise InvalidInput(f"--cgroup: {text}: a controller is empty")
            if name in found or (not name and len(given) > 1):
                raise InvalidInput(f"--cgroup: {text}: each controller may be named once, or all of them by none")
            found[name] = path
    return found


VERB = Verb(run, "CONTAINER COMMAND [ARGUMENTS...]", "Execute a process in a running container", (
    Flag("additional-gids", "further groups", "g", kind="list", metavar="GID"),
    Flag("apparmor", "AppArmor profile of the process", kind="value", metavar="PROFILE"),
    Flag("cap", "add a capability", "c", kind="list", metavar="CAPABILITY"),
    Flag("cgroup", "existing cgroup below the container's, [CONTROLLER:]PATH", kind="list", metavar="PATH"),
    Flag("cwd", "working directory", kind="value", metavar="DIRECTORY"),
    Flag("detach", "do not wait for its end", "d"),
    Flag("env", "NAME=VALUE", "e", kind="list", metavar="VARIABLE"),
    Flag("ignore-paused", "also in a paused container, where the process will stand still as well"),
    Flag("no-new-privs", "forbid gaining privileges by execve"),
    Flag("process", "file with a process object, instead of COMMAND and the other flags", "p", kind="value",
         metavar="FILE"),
    Flag("process-label", "SELinux label of the process", kind="value", metavar="LABEL"),
    Flag("tty", "give it a terminal", "t"),
    Flag("user", "UID[:GID]", "u", kind="value", metavar="UID"),
    *handover.FLAGS,
), (1, MANY), interspersed=False, failure=255)  # fmt: skip
