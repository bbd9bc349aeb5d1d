"""`RUN --mount`: bind, cache, tmpfs, secret and ssh mounts of one step, which are no part of what it leaves.

Docker's "Dockerfile reference", section "RUN --mount". A bind of a stage or an image is an overlay of the directories
that its layers have at that place, mounted only inside of the step.
"""

from __future__ import annotations

import os
import posixpath
import stat
from functools import partial

from ringfence.build import cache_mounts
from ringfence.build.patterns import clean
from ringfence.build.sources import Tree
from ringfence.engine import scratch
from ringfence.engine.options_kinds import size, switch
from ringfence.engine.options_mounts import fields
from ringfence.errors import InvalidInput, NotFound
from ringfence.linux.trees import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ringfence.build.dockerfile import Instruction
    from ringfence.build.stage import StageBuild
    from ringfence.engine.options_mounts import MountRequest

    Make = Callable[[], MountRequest]

KEYS = {
    "bind": ("source", "target", "from", "rw"),
    "cache": ("id", "target", "ro", "sharing", "from", "source", "mode", "uid", "gid"),
    "tmpfs": ("target", "size"),
    "secret": ("id", "target", "required", "mode", "uid", "gid", "env"),
    "ssh": ("id", "target", "required", "mode", "uid", "gid"),
}
ALIASES = {"dst": "target", "destination": "target", "src": "source", "readwrite": "rw", "readonly": "ro"}
SHARING = ("shared", "private", "locked")


class Mounts:
    """The mounts of one RUN. `key` is what of them decides the result; `make` prepares them, the block's end tidies."""

    def __init__(self, stage: StageBuild, instruction: Instruction) -> None:
        self.key: list[Any] = []
        self.environment: list[str] = []
        self._stage = stage
        self._instruction = instruction
        self._makers: list[Make] = []
        self._closing: list[Callable[[], None]] = []
        self._scratch: dict[str, str] = {}
        self._agents = 0

    def __enter__(self) -> Mounts:
        try:
            for text in self._instruction.flags.get("mount", ()):
                self._read(self._stage.expand(self._instruction, text))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        while self._closing:
            self._closing.pop()()
        for directory in self._scratch.values():
            remove_tree(directory)

    def make(self) -> list[MountRequest]:
        """Prepare what is mounted."""
        return [make() for make in self._makers]

    def add_script(self, directory: str, name: str, content: str) -> None:
        """The script of a here-document, as a file that can be executed."""
        self.key.append(["script", content])

        def make() -> MountRequest:
            path = self._file(content.encode(), 0o755)
            return _bind(path, f"{directory}/{name}", ["ro"])

        self._makers.append(make)

    def _read(self, text: str) -> None:
        keys: dict[str, str] = {}
        try:
            for field in fields("--mount", text):
                name, equals, value = field.partition("=")
                name = ALIASES.get(name.lower(), name.lower())
                keys[name] = value if equals else "true"
        except InvalidInput as error:
            self._instruction.refuse(error.what)
        kind = keys.pop("type", "bind")
        if kind not in KEYS:
            self._instruction.refuse(f"--mount: there is no type {kind}", hint=f"there are: {' '.join(KEYS)}")
        if kind == "bind" and "ro" in keys:  # what it is anyway
            keys["rw"] = "false" if switch("--mount ro", keys.pop("ro")) else "true"
        elif kind == "cache" and "rw" in keys:
            keys["ro"] = "false" if switch("--mount rw", keys.pop("rw")) else "true"
        for name in keys:
            if name not in KEYS[kind]:
                self._instruction.refuse(f"--mount: type {kind} has no {name}", hint=f"it has: {' '.join(KEYS[kind])}")
        try:
            getattr(self, f"_{kind}")(keys)
        except ValueError as error:
            self._instruction.refuse(f"--mount={text}: {error}")
        except InvalidInput as error:
            if error.what.startswith(self._instruction.line.file):
                raise
            self._instruction.refuse(error.what, hint=error.hint)

    def _target(self, keys: dict[str, str], default: str = "") -> str:
        text = keys.get("target") or default
        if not text:
            raise ValueError("needs a target")
        whole = posixpath.join(self._stage.draft.config.get("WorkingDir") or "/", text)
        path = f"/{clean(whole)}"
        if path == "/":
            raise ValueError("the target cannot be the root of the image")
        return path

    # The types

    def _bind(self, keys: dict[str, str]) -> None:
        target, writable = self._target(keys), switch("--mount rw", keys.get("rw", False))
        tree = self._stage.tree(self._instruction, keys.get("from", ""))
        self._closing.append(lambda: tree.__exit__())
        try:
            source = tree.real(keys.get("source", ""))
        except NotFound as error:
            raise ValueError(error.what) from None
        from ringfence.build.addition import Addition, Item
        from ringfence.build.places import Places

        content = Addition(Places(None))
        for found in tree.walk(source):
            place = f"x/{found.path}".rstrip("/")
            inner = "/".join(part for part in (source, found.path) if part)
            content.add(place, Item(found.member, partial(tree.content, inner), found.inode))
        self.key.append(["bind", content.digest(), target, writable])

        def make() -> MountRequest:
            layers = self._directories(tree, source)
            return self._stacked(layers, target, writable=writable)

        self._makers.append(make)

    def _directories(self, tree: Tree, source: str) -> list[str]:
        """What the host has of this place of a tree: one path for a context, one for each layer of an image."""
        host = tree.host_paths(source)
        if host is not None:
            return host
        # something of a context is left out: mount a copy without it
        return [self._copied(tree, source)]

    def _copied(self, tree: Tree, source: str) -> str:
        from ringfence.build.addition import Addition, Item
        from ringfence.build.places import Places
        from ringfence.layers.apply import apply

        addition = Addition(Places(None))
        for found in tree.walk(source):
            inner = "/".join(part for part in (source, found.path) if part)
            addition.add(f"x/{found.path}".rstrip("/"), Item(found.member, partial(tree.content, inner)))
        layer = addition.store(self._stage.engine.content)
        directory = f"{self._directory()}/{os.urandom(6).hex()}"
        os.mkdir(directory)
        with self._stage.engine.content.open(layer.descriptor.digest) as file:
            apply(file, directory, "remove")
        return f"{directory}/x"

    def _stacked(self, layers: list[str], target: str, *, writable: bool) -> MountRequest:
        """One mount of directories that lie over each other (topmost first), or of the file that the first one is."""
        if not os.path.isdir(layers[0]):
            if writable:
                layers = [self._file_copy(layers[0])]
            return _bind(layers[0], target, [] if writable else ["ro"])
        if len(layers) == 1 and not writable:
            return _bind(layers[0], target, ["ro"])
        options = [f"lowerdir={':'.join([*layers, self._new_directory()])}", "index=off", "metacopy=off"]
        if writable:  # what is written is thrown away
            options += [f"upperdir={self._new_directory(layers[0])}", f"workdir={self._new_directory()}"]
        else:
            options.append("ro")
        return {"type": "overlay", "source": "overlay", "target": target, "options": options}

    def _cache(self, keys: dict[str, str]) -> None:
        target = self._target(keys)
        sharing = keys.get("sharing", "shared")
        if sharing not in SHARING:
            raise ValueError(f"sharing={sharing}: is not one of {', '.join(SHARING)}")
        mode = _octal(keys.get("mode", "0755"))
        owner = _number(keys, "uid"), _number(keys, "gid")
        read_only = switch("--mount ro", keys.get("ro", False))
        name = keys.get("id") or target
        self.key.append(["cache", name, target])

        def make() -> MountRequest:
            seed = None
            if "from" in keys:
                with self._stage.tree(self._instruction, keys["from"]) as tree:
                    seed = self._copied(tree, tree.real(keys.get("source", "")))
            held = cache_mounts.take(self._stage.engine.root, name, sharing, owner, mode, seed)
            self._closing.append(held.close)
            return _bind(held.path, target, ["ro"] if read_only else [])

        self._makers.append(make)

    def _tmpfs(self, keys: dict[str, str]) -> None:
        target = self._target(keys)
        options = ["nosuid", "nodev", "mode=1777"]
        if "size" in keys:
            options.append(f"size={size('--mount size', keys['size'])}")
        self.key.append(["tmpfs", target])
        self._makers.append(lambda: {"type": "tmpfs", "source": "tmpfs", "target": target, "options": options})

    def _secret(self, keys: dict[str, str]) -> None:
        id = keys.get("id") or posixpath.basename(keys.get("target", ""))
        if not id:
            raise ValueError("needs an id")
        mode, owner = _octal(keys.get("mode", "0400")), (_number(keys, "uid"), _number(keys, "gid"))
        # The secret itself decides nothing: a build does not change with it, nor can a key give it away.
        self.key.append(["secret", id, keys.get("target", ""), keys.get("env", "")])
        secret = self._stage.build.options.secrets.get(id)
        if secret is None:
            if switch("--mount required", keys.get("required", False)):
                raise ValueError(f"the secret {id} was not given: use the flag --secret id={id},…")
            return
        if "env" in keys:
            self.environment.append(f"{keys['env']}={secret().decode('utf-8', 'surrogateescape')}")
            if "target" not in keys:
                return
        target = self._target(keys, f"/run/secrets/{id}")
        self._makers.append(lambda: _bind(self._file(secret(), mode, owner), target, ["ro"]))

    def _ssh(self, keys: dict[str, str]) -> None:
        id = keys.get("id") or "default"
        socket = self._stage.build.agents.get(id)
        target = self._target(keys, f"/run/buildkit/ssh_agent.{self._agents}")
        self._agents += 1
        self.key.append(["ssh", id, target])
        if socket is None:
            if switch("--mount required", keys.get("required", False)):
                raise ValueError(f"no agent was given for {id}: use the flag --ssh {id}")
            return
        if not os.path.exists(socket) or not stat.S_ISSOCK(os.stat(socket).st_mode):
            raise ValueError(f"{socket}: is no agent's socket")
        self.environment.append(f"SSH_AUTH_SOCK={target}")
        self._makers.append(lambda: _bind(socket, target, []))

    # Files of this step, in a directory that goes with it

    def _directory(self, below: str = "") -> str:
        """A directory of this step below the data directory, or below another."""
        below = below or self._stage.engine.root
        if below not in self._scratch:
            self._scratch[below] = scratch.make(below)
        return self._scratch[below]

    def _new_directory(self, like: str = "") -> str:
        path = f"{self._directory()}/{os.urandom(6).hex()}"
        os.mkdir(path, 0o755)
        if like:
            status = os.stat(like)
            os.chown(path, status.st_uid, status.st_gid)
            os.chmod(path, stat.S_IMODE(status.st_mode))
        return path

    def _file(self, content: bytes, mode: int, owner: tuple[int, int] = (0, 0)) -> str:
        """A file below the state directory, which is in memory: it may be a secret."""
        path = f"{self._directory(self._stage.engine.state)}/{os.urandom(6).hex()}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)
            os.fchown(file.fileno(), *owner)
            os.fchmod(file.fileno(), mode)
        return path

    def _file_copy(self, path: str) -> str:
        with open(path, "rb") as file:
            return self._file(file.read(), stat.S_IMODE(os.stat(path).st_mode))


def _bind(source: str, target: str, flags: list[str]) -> MountRequest:
    return {"type": "bind", "source": source, "target": target, "options": ["rbind", "rprivate", *flags],
            "create": False}  # fmt: skip


def _octal(text: str) -> int:
    if not text or text.strip("01234567") or int(text, 8) > 0o7777:
        raise ValueError(f"mode={text}: is no octal mode")
    return int(text, 8)


def _number(keys: dict[str, str], name: str) -> int:
    text = keys.get(name, "0")
    if not (text.isascii() and text.isdecimal()) or int(text[:11]) > 2**32 - 2:
        raise ValueError(f"{name}={text}: is no number of a user or group")
    return int(text)
