"""Plan, hooks: when each kind runs and in whose namespaces (runtime-spec, config.md: POSIX-platform Hooks).

poststart and poststop are not part of a plan: they run after the program was executed and after it was deleted.
"""

from __future__ import annotations

from ringfence import json
from ringfence.runtime import compile_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ringfence.runtime.facts import Facts
    from ringfence.runtime.plan import Plan

_PID = 987654321  # stands where the process id, known only later, is put into the state
OCI_VERSION = "1.3.0"


def state(spec: dict[str, Any], id: str, bundle: str, status: str, pid: int) -> dict[str, Any]:
    """The state of a container as the runtime-spec defines it (runtime.md, State)."""
    document: dict[str, Any] = {"ociVersion": OCI_VERSION, "id": id, "status": status}
    if pid:
        document["pid"] = pid
    document["bundle"] = bundle
    if spec.get("annotations"):
        document["annotations"] = spec["annotations"]
    return document


def create(plan: Plan, spec: dict[str, Any], facts: Facts) -> None:
    """prestart and createRuntime in the host's namespaces, createContainer in the container's, before pivot_root."""
    hooks = spec.get("hooks") or {}
    root, shown = "", bool(facts.root)
    if not shown:
        root = compile_root.source(spec, facts)
    for kind, add in (("prestart", plan.runtime), ("createRuntime", plan.runtime), ("createContainer", plan.container)):
        for hook in hooks.get(kind) or []:
            if kind == "createContainer" and not shown:
                plan.container("SHOW", root, reason="hooks look for the mounts below root.path, as under runc")
                shown = True
            arguments = _arguments(spec, facts, hook, "creating", facts.environment)
            add("HOOK", kind, *arguments, facts.bundle, reason=f"hooks.{kind}")


def start(plan: Plan, spec: dict[str, Any], facts: Facts) -> None:
    """startContainer, as the last thing before the program."""
    for hook in (spec.get("hooks") or {}).get("startContainer") or []:
        arguments = _arguments(spec, facts, hook, "created", (spec.get("process") or {}).get("env") or [])
        plan.container("HOOK", "startContainer", *arguments, "", reason="hooks.startContainer")


def _arguments(
    spec: dict[str, Any], facts: Facts, hook: dict[str, Any], status: str, env: Sequence[str]
) -> tuple[Any, ...]:
    """The operation's; a hook without an environment of its own has `env`: the runtime's, or the process's (E18)."""
    document = json.dumps(state(spec, facts.id, facts.bundle, status, _PID))
    before, after = document.split(f'"pid": {_PID}', 1)
    args = hook.get("args") or [hook["path"]]
    return before + '"pid": ', after, hook["path"], args, _environment(hook, env), hook.get("timeout") or 0


def _environment(hook: dict[str, Any], inherited: Sequence[str]) -> Sequence[str]:
    own: list[str] | None = hook.get("env")
    return inherited if own is None else own
