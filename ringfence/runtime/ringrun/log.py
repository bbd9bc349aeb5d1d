"""One entry of ringrun's --log file, in the two forms that engines read (runc's logrus fields: level, msg, time)."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def entry(message: str, dumps: Callable[[object], str] | None) -> str:
    """The line for an error; `dumps` makes it JSON."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if dumps is not None:
        return dumps({"level": "error", "msg": message, "time": stamp}) + "\n"
    quoted = message.replace("\\", "\\\\").replace('"', '\\"')
    return f'time="{stamp}" level=error msg="{quoted}"\n'
