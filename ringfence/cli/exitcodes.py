"""The exit codes of the command line, which are docker's; the one place where errors become numbers.

A program's own exit code is passed on by run, exec, attach and start. Ours are:
  1    the verb failed, or was typed with too few or too many operands, or there is no such verb
  125  a flag is unknown or its value is wrong; for `run`: anything that went wrong before the program was executed
  126  the program cannot be executed
  127  the program was not found
  130  interrupted (128 + SIGINT)
  141  nobody reads the output any more (128 + SIGPIPE)
"""

from __future__ import annotations

import errno

from ringfence.cli.parser import UsageError
from ringfence.errors import CannotExecute, InvalidInput, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.verb import Verb

FAILED = 1
BAD_FLAG = 125
CANNOT_EXECUTE = 126
NOT_FOUND = 127
INTERRUPTED = 130
BROKEN_PIPE = 141


def of(error: BaseException, verb: Verb | None) -> int:
    """The exit code for `error`, raised while `verb` (None: before it was known) was at work."""
    if isinstance(error, UsageError):
        return error.status
    if verb is None:
        return FAILED
    if isinstance(error, CannotExecute):
        return NOT_FOUND if error.errno == errno.ENOENT else CANNOT_EXECUTE
    if isinstance(error, (InvalidInput, Unsupported)):
        return verb.refusal
    return verb.failure
