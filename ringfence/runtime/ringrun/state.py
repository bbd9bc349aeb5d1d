"""`ringrun state`: the OCI state of a container, with what runc adds to it."""

from __future__ import annotations

import os

from ringfence import json
from ringfence.runtime.compile_hooks import state
from ringfence.runtime.ringrun.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.runtime.ringrun.verb import Call
    from ringfence.runtime.state import State


def run(call: Call) -> int:
    record = call.record()
    print(json.dumps(described(record, record.status(frozen=call.frozen(record))), indent=2))
    return 0


def described(record: State, status: str) -> dict[str, Any]:
    """The state as `state` and `list --format json` print it; `pid` is 0 when there is no process."""
    bundle = str(record.document["bundle"])
    document = {**state(record.spec, record.id, bundle, status, record.pid), "pid": record.pid}
    root = (record.spec.get("root") or {}).get("path") or ""
    created = record.created
    return {
        **document,
        "rootfs": os.path.join(bundle, root),
        "created": f"{_utc(created)}.{created % 1_000_000_000:09}Z",
        "owner": _owner(os.stat(record.directory).st_uid),
    }


def _utc(nanoseconds: int) -> str:
    import time

    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(nanoseconds // 1_000_000_000))


def _owner(uid: int) -> str:
    """The user's name, else "#1000"; the one outside of the user namespace that we are in."""
    import pwd

    from ringfence.linux import idmap

    with open("/proc/self/uid_map") as map:
        outside = idmap.to_host(idmap.parse(map.read()), uid)
    uid = uid if outside is None else outside
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


VERB = Verb(run, "CONTAINER", "Print the state of a container as JSON")
