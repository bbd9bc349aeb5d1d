"""What the helper, or another runtime, reported of a failure, as an error for people."""

from __future__ import annotations

import errno
import os

from ringfence.errors import CannotExecute, Failed, InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.runtime.plan import Plan

_LONGEST_WORDS = 160


def refusal(program: str, said: str) -> Failed:
    """What another runtime printed when it failed, as an error: its last line, after its name.

    Runtimes have no codes for it: "exec:" (runc) and "executable" (crun) is how they begin to speak of the program.
    """
    name = os.path.basename(program)
    line = (said.strip().splitlines() or ["it failed and did not say why"])[-1].removeprefix(f"{name}: ")
    text = line if line.startswith(f"{name} ") else f"{name}: {line}"  # "runc create failed: ..."
    small = text.lower()
    if "chdir" in small:
        return CannotExecute(text, errno=errno.EACCES)
    if "exec: " in small or "executable" in small:
        missing = "not found" in small or "no such file" in small
        return CannotExecute(text, errno=errno.ENOENT if missing else errno.EACCES)
    return Failed(text)


def _in_words(plan: Plan, number: int, message: str) -> str:
    """What failed, and on what: the helper's words where they name the operation's object, else those of the plan."""
    texts = [one for one in plan.operations[number].arguments if isinstance(one, str) and len(one) > 1]
    paths = [text for text in texts if text.startswith("/")]
    if any(text in message for text in paths or texts):
        return message
    told = plan.describe(number)
    if len(told) > _LONGEST_WORDS:
        told = f"{told[:_LONGEST_WORDS]}..."
    return told if message.split(" ", 1)[0] == told.split(" ", 1)[0] else f"{told}: {message}"


def error_of(plan: Plan, report: dict[str, object]) -> Failed | InvalidInput:
    """The helper's `{"operation", "errno", "message"}` as the error of that operation."""
    number, code, message = int(str(report["operation"])), int(str(report["errno"])), str(report["message"])
    reason = os.strerror(code).lower() if code else ""
    text = f"{message}: {reason}" if reason else message
    plan.failed_at = number
    if not 0 <= number < len(plan.operations):
        return Failed(text, errno=code)
    operation = plan.operations[number]
    if operation.name == "COMMAND" and not code:
        return refusal(str(operation.arguments[1][0]), message)  # type: ignore[index]
    if operation.name in ("RESOLVE", "EXEC"):
        return CannotExecute(f"cannot execute {text}", errno=code)
    if operation.name == "CWD" and code in (errno.ENOTDIR, errno.EACCES, errno.ENOENT):
        return CannotExecute(text, errno=errno.EACCES)
    words = _in_words(plan, number, message.strip())
    error = Failed(f"{words}: {reason}" if reason else words, errno=code)
    error.add_note(f"operation {number} of {len(plan.operations)}: {plan.describe(number)} ({operation.reason})")
    return error
