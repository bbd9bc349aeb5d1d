"""Hooks that run outside of a plan: poststart and poststop, in the runtime's namespaces (config.md, Hooks)."""

from __future__ import annotations

from ringfence import json
from ringfence.errors import Failed
from ringfence.runtime.compile_hooks import state as oci_state
from ringfence.runtime.state import STOPPED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.runtime.state import State


def run(record: State, kind: str, status: str) -> None:
    """Run every hook of a kind in order, with the state on stdin. Failed at the first that fails or takes too long."""
    for hook in record.hooks.get(kind) or []:
        _run_one(record, kind, hook, status)


def run_all(record: State, kind: str, status: str) -> list[str]:
    """Run every hook even if one fails; the failures as warnings, one line each (poststop: E17)."""
    warnings = []
    for hook in record.hooks.get(kind) or []:
        try:
            _run_one(record, kind, hook, status)
        except Failed as error:
            warnings.append(error.what)
    return warnings


def _run_one(record: State, kind: str, hook: dict[str, Any], status: str) -> None:
    import subprocess

    pid = 0 if status == STOPPED else record.pid
    document = oci_state(record.spec, record.id, str(record.document["bundle"]), status, pid)
    own = hook.get("env")
    environment = None if own is None else dict(item.split("=", 1) for item in own if "=" in item)  # None: ours
    arguments = hook.get("args") or [hook["path"]]
    try:
        done = subprocess.run(
            arguments,
            executable=hook["path"],
            env=environment,
            input=json.dumps(document).encode(),
            timeout=hook.get("timeout") or None,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{kind} hook {hook['path']}: took longer than {hook['timeout']} s") from None
    except OSError as error:
        raise Failed(f"{kind} hook {hook['path']}: {error.strerror}", errno=error.errno or 0) from error
    if done.returncode:
        raise Failed(f"{kind} hook {hook['path']} exited with status {done.returncode}")
