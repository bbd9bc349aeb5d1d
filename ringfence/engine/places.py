"""Where an engine keeps its files, for root and for other users, and the paths of one container."""

from __future__ import annotations

import os

from ringfence.errors import Denied
from ringfence.runtime import rootless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.engine import Engine


DATA, STATE = "/var/lib/ringfence", "/run/ringfence"
"""Root's own."""


def data_directory() -> str:
    """What must last. Without root it is XDG's default; the environment's word is the command line's business."""
    return DATA if rootless.user() == 0 else os.path.join(home(), ".local/share/ringfence")


def state_directory() -> str:
    """What a reboot may forget."""
    return STATE if rootless.user() == 0 else rootless.runtime_directory("ringfence")


def bundle(engine: Engine, id: str) -> str:
    """A container's own directory: config.json, container.log, exit.json, hosts, lock, ..."""
    return f"{engine.root}/containers/{id}"


def exit_file(engine: Engine, id: str) -> str:
    """The exit record, written by the monitor."""
    return f"{engine.root}/containers/{id}/exit.json"


def log_file(engine: Engine, id: str) -> str:
    return f"{engine.root}/containers/{id}/container.log"


def attach_socket(engine: Engine, id: str) -> str:
    """Where the monitor listens, as long as the container runs."""
    return f"{engine.state}/containers/{id}/attach.sock"


def runtime_state(engine: Engine, id: str) -> str:
    """The runtime's own directory for a container that was started."""
    return f"{engine.state}/containers/{id}"


def events_file(engine: Engine) -> str:
    return f"{engine.state}/events.jsonl"


def home() -> str:
    """This user's, also in the user namespace that was made for it."""
    uid = rootless.user()
    import pwd

    try:
        return pwd.getpwuid(uid).pw_dir
    except KeyError:
        raise Denied(f"uid {uid} has no home directory in /etc/passwd", hint="give the data directory") from None
