"""One entry of ringrun's --log file, in the two forms that engines read (runc's logrus fields: level, msg, time)."""

from __future__ import annotations

import time


def entry(level: str, message: str, form: str) -> str:
    """The line, with its end, as "text" or "json"."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if form == "json":
        from ringfence import json

        return json.dumps({"level": level, "msg": message, "time": stamp}) + "\n"
    quoted = message.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'time="{stamp}" level={level} msg="{quoted}"\n'
