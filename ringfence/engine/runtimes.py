"""The OCI runtimes that a container can ask for by --runtime: ours, and others by their command line."""

from __future__ import annotations

import os

from ringfence.errors import InvalidInput, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.engine import Engine
    from ringfence.runtime.interface import Runtime

OURS = "ringrun"
KNOWN = ("runc", "crun")
"""Those that are found by their name; any other by its path."""


def check(flag: str, value: str) -> str:
    """A runtime as it may be asked for: a name we know, or an absolute path. It need not be there yet."""
    if value not in (OURS, *KNOWN) and not os.path.isabs(value):
        raise InvalidInput(f"{flag}: unknown runtime {value}", hint=f"{OURS}, {', '.join(KNOWN)} or an absolute path")
    return value


def find(engine: Engine, name: str) -> Runtime:
    """The runtime of that name or path. What its program is not needed for works without it, too: `ps`, `rm`."""
    if name == OURS:
        return engine.runtime
    from ringfence.runtime.command import CommandRuntime

    return CommandRuntime(name, program(name) or name, engine.state)


def require(name: str) -> None:
    """NotFound unless the runtime is on this machine."""
    if name != OURS and program(name) is None:
        raise NotFound(f"--runtime: no program {name} on this machine", hint="install it, or name another by its path")


def program(name: str) -> str | None:
    """The path of a runtime's program. The caller's PATH has no say: monitors, which have none, start it too."""
    from ringfence.runtime.compile_command import SEARCH_PATH

    places = [name] if os.path.isabs(name) else [f"{directory}/{name}" for directory in SEARCH_PATH.split(":")]
    return next((path for path in places if os.path.isfile(path) and os.access(path, os.X_OK)), None)


def available(engine: Engine) -> dict[str, dict[str, str]]:
    """Docker's `Runtimes`: by name, with the path of those that are programs."""
    paths = {name: program(name) for name in KNOWN}
    return {engine.runtime.name: {}, **{name: {"path": path} for name, path in paths.items() if path}}


def recorded(engine: Engine, id: str) -> str:
    """The runtime that the state directory of a container without a record names, "" for ours."""
    from ringfence.runtime import state

    try:
        return str(state.load(f"{engine.state}/containers", id).document.get("runtime", ""))
    except NotFound:
        return ""
