"""Volumes: directories that outlive containers, by name (`data`) or anonymous (64 digits), and how mounts find them.

A volume is `<data>/volumes/NAME/` with `volume.json` and `_data/`. It is made under a name that begins with a dot and
renamed, and removed the other way round: the file system is the only truth, and `sweep` clears what a crash left.
"""

from __future__ import annotations

import os
import time

from ringfence import json
from ringfence.engine.options_lifecycle import is_name
from ringfence.engine.options_mounts import PROPAGATIONS, target_path
from ringfence.engine.volumes_tree import copy_tree, remove_tree
from ringfence.errors import Conflict, Corrupt, InvalidInput, NotFound
from ringfence.linux import processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from ringfence.engine.options import Options
    from ringfence.engine.options_mounts import MountRequest
    from ringfence.linux.paths import Root

_NEW, _REMOVING = ".new-", ".removing-"
_FILLING = "filling"  # beside _data while it is being filled from an image: what is there is not all


class Volume:
    """`path` is its directory on the host, `created` in ns since 1970; `anonymous`: nobody gave it a name."""

    __slots__ = ("anonymous", "created", "labels", "name", "path")

    def __init__(self, name: str, path: str, created: int, labels: dict[str, str], anonymous: bool) -> None:
        self.name = name
        self.path = path
        self.created = created
        self.labels = labels
        self.anonymous = anonymous


class Volumes:
    """The volumes below one data directory; safe for any number of processes at once."""

    def __init__(self, data_dir: str) -> None:
        self.directory = os.path.join(data_dir, "volumes")

    def create(
        self, name: str = "", labels: Mapping[str, str] | None = None, *, anonymous: bool | None = None
    ) -> Volume:
        """Make the volume, or return the one that has this name; without a name an anonymous one.

        `anonymous` says so of a volume whose name the caller has chosen. InvalidInput for a name that docker would not
        take.
        """
        if anonymous is None:
            anonymous = not name
        name = name or os.urandom(32).hex()
        if not is_name(name) or len(name) > 255:
            raise InvalidInput(f'"{name}" is not a volume name: only [a-zA-Z0-9][a-zA-Z0-9_.-]+ is allowed')
        if os.path.isdir(os.path.join(self.directory, name)):
            return self.get(name)
        staging = os.path.join(self.directory, f"{_NEW}{_maker()}-{os.urandom(8).hex()}")
        os.makedirs(staging, 0o711)
        os.mkdir(os.path.join(staging, "_data"), 0o755)
        facts = {"created": time.time_ns(), "labels": dict(labels or {}), "anonymous": anonymous}
        with open(os.path.join(staging, "volume.json"), "w", encoding="utf-8") as file:
            json.dump(facts, file)
            file.flush()
            if not anonymous:
                os.fsync(file.fileno())
        try:
            os.rename(staging, os.path.join(self.directory, name))
        except OSError:
            remove_tree(staging)
            if not os.path.isdir(os.path.join(self.directory, name)):
                raise
        return self.get(name)

    def get(self, name: str) -> Volume:
        """NotFound `no such volume: X`."""
        directory = os.path.join(self.directory, name)
        if not is_name(name):
            raise NotFound(f"no such volume: {name}")
        try:
            with open(os.path.join(directory, "volume.json"), encoding="utf-8") as file:
                facts = json.load(file)
            return Volume(name, os.path.join(directory, "_data"), int(facts["created"]), facts["labels"],
                          bool(facts["anonymous"]))  # fmt: skip
        except FileNotFoundError:
            raise NotFound(f"no such volume: {name}") from None
        except (ValueError, KeyError, TypeError) as error:
            raise Corrupt(f"volume {name}: volume.json cannot be read: {error}") from error

    def all(self) -> list[Volume]:
        """All of them, by name."""
        try:
            names = sorted(os.listdir(self.directory))
        except FileNotFoundError:
            return []
        found = []
        for name in names:
            if not name.startswith("."):
                try:
                    found.append(self.get(name))
                except NotFound:  # removed by another process since the listing
                    continue
        return found

    def remove(self, name: str, users: Sequence[str] = (), *, missing_ok: bool = False) -> None:
        """Remove a volume that no container uses; `users` are the ids of those that do (Conflict)."""
        if users:
            raise Conflict(f"volume {name} is in use by container {', '.join(id[:12] for id in users)}")
        trash = os.path.join(self.directory, f"{_REMOVING}{os.urandom(8).hex()}")
        try:
            self.get(name)
            os.rename(os.path.join(self.directory, name), trash)
        except (NotFound, FileNotFoundError):
            if missing_ok:
                return
            raise NotFound(f"no such volume: {name}") from None
        remove_tree(trash)

    def size(self, name: str) -> int:
        """Bytes on disk of what it holds."""
        from ringfence.snapshots.trees import disk_usage

        return disk_usage(self.get(name).path).size

    def sweep(self) -> None:
        """Remove what a crash left of volumes that were being made or removed."""
        try:
            names = os.listdir(self.directory)
        except FileNotFoundError:
            return
        for name in names:
            path = os.path.join(self.directory, name)
            if name.startswith(_REMOVING) or (name.startswith(_NEW) and not _being_made(name)):
                remove_tree(path)

    def resolve(
        self,
        options: Options,
        image_config: Mapping[str, Any],
        inherited: Mapping[str, Sequence[Mapping[str, Any]]],
        claim: Callable[[list[MountRequest]], None] = lambda _requests: None,
    ) -> list[MountRequest]:
        """All mounts of a new container, one a target; volumes are made, and their directory is in `path`.

        `claim` is told of them before any volume is made, so that a record can name whom an anonymous one belongs to
        even if the caller is killed the next moment.

        `inherited`: the mounts of each container that --volumes-from names, in the shape of `describe`. What the caller
        asks for comes before what is inherited, and that before the image's VOLUMEs (docker's order).
        """
        found: dict[str, MountRequest] = {}
        for request in (*options.volume, *options.mount, *options.tmpfs):
            found[request["target"]] = request
        for source in options.volumes_from:
            for mount in inherited[source["container"]]:
                found.setdefault(mount["Destination"], _inherit(mount, read_only=source["mode"] == "ro"))
        for path in (image_config.get("config") or {}).get("Volumes") or {}:
            target = target_path("the image's VOLUME", path, path if path.startswith("/") else f"/{path}")
            found.setdefault(target, {"type": "volume", "source": "", "target": target,
                                      "options": ["rbind", "rprivate"], "copy": True})  # fmt: skip
        named = [self._named(request) for request in found.values()]
        claim(named)
        return [self.made(request) for request in named]

    def _named(self, request: MountRequest) -> MountRequest:
        if request["type"] != "volume" or request["source"]:
            return request
        return {**request, "source": os.urandom(32).hex(), "anonymous": True}

    def made(self, request: MountRequest) -> MountRequest:
        """The request with the directory of its volume, which is made if there is none of that name."""
        if request["type"] != "volume":
            return request
        volume = self.create(request["source"], request.get("labels"), anonymous=request.get("anonymous", False))
        return {**request, "path": volume.path}

    def prepare(self, requests: Sequence[MountRequest], root: Callable[[], Root]) -> None:
        """Make what the mounts need: missing directories of `-v`, and the first content of empty volumes.

        `root` opens the container's root filesystem; it is called only if a volume is to be filled from it.
        InvalidInput if the source of a `--mount type=bind` is missing.
        """
        empty = []
        for request in requests:
            if request["type"] == "bind" and not os.path.lexists(request["source"]):
                if not request.get("create"):
                    raise InvalidInput(f"--mount: bind source path does not exist: {request['source']}")
                try:
                    os.makedirs(request["source"], 0o755, exist_ok=True)
                except OSError as error:
                    raise InvalidInput(f"--volume: cannot make {request['source']}: {error.strerror}") from error
            elif request["type"] == "volume" and request.get("copy") and _is_empty(request["path"]):
                empty.append(request)
        if empty:
            with root() as opened:
                for request in empty:
                    _fill(opened, request)


def _is_empty(path: str) -> bool:
    """Whether a volume is still to be filled: nothing in it, or filling it was interrupted."""
    with os.scandir(path) as entries:
        return next(entries, None) is None or os.path.exists(os.path.join(os.path.dirname(path), _FILLING))


def _fill(root: Root, request: MountRequest) -> None:
    import fcntl

    mark = os.path.join(os.path.dirname(request["path"]), _FILLING)
    try:
        descriptor = os.open(mark, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fresh = True
    except FileExistsError:  # being filled by another process, or by one that was killed
        descriptor = os.open(mark, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fresh = False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink == 0:  # it was filled while we waited
            return
        if not fresh or not os.listdir(request["path"]):
            copy_tree(root, request["target"], request["path"])
        os.unlink(mark)
    finally:
        os.close(descriptor)


def describe(request: MountRequest) -> dict[str, Any]:
    """One mount as docker's inspect shows it under `Mounts`."""
    options = request["options"]
    found = {
        "Type": request["type"],
        "Source": request.get("path") or (request["source"] if request["type"] == "bind" else ""),
        "Destination": request["target"],
        "Mode": ",".join(option for option in options if option not in ("rbind", "rro", "rprivate")),
        "RW": "ro" not in options,
        "Propagation": next((option for option in options if option in PROPAGATIONS), ""),
    }
    if request["type"] == "volume":
        found = {"Type": "volume", "Name": request["source"], "Driver": "local"} | found
    return found


def _inherit(mount: Mapping[str, Any], *, read_only: bool) -> MountRequest:
    """The inverse of `describe`."""
    options = [option for option in mount["Mode"].split(",") if option]
    if read_only and "ro" not in options:
        options.append("ro")
    if mount["Type"] == "tmpfs":
        return {"type": "tmpfs", "source": "tmpfs", "target": mount["Destination"], "options": options}
    if "bind" not in options:
        options = ["rbind", *options]
    options += ["rro"] if "ro" in options else []
    if mount["Propagation"] not in options:
        options.append(mount["Propagation"])
    source = mount["Name"] if mount["Type"] == "volume" else mount["Source"]
    return {"type": mount["Type"], "source": source, "target": mount["Destination"], "options": options,
            "copy": False, "create": False}  # fmt: skip


def _maker() -> str:
    """This process, for the name of what it is making: its pid and its start time."""
    own = os.getpid()
    return f"{own}-{processes.start_time(own)}"


def _being_made(name: str) -> bool:
    """Whether the process that a staging directory names is still alive; if not, a crash has left it."""
    words = name.removeprefix(_NEW).split("-")
    return (
        len(words) == 3
        and words[0].isdecimal()
        and words[1].isdecimal()
        and processes.alive(int(words[0]), int(words[1]))
    )
