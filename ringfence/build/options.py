"""What `build` may be told: the flags of docker's and podman's `build`, read and checked before anything is built."""

from __future__ import annotations

import os

from ringfence.engine.options import option
from ringfence.engine.options_kinds import pairs, switch, text, texts
from ringfence.engine.options_mounts import fields
from ringfence.engine.registries import ACCESS
from ringfence.errors import InvalidInput, Unsupported
from ringfence.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    Secret = Callable[[], bytes]

# Those of `run` that hold for the programs of a build, by the engine's names.
ENGINE_OPTIONS = (
    "add_host", "cap_add", "cap_drop", "cgroup_parent", "cpu_period", "cpu_quota", "cpu_shares", "cpuset_cpus",
    "cpuset_mems", "device", "dns", "dns_option", "dns_search", "memory", "memory_swap", "security_opt", "shm_size",
    "ulimit",
)  # fmt: skip
OUTPUTS = ("image", "docker", "local", "tar", "oci", "registry")
ENTITLEMENTS = ("security.insecure", "network.host")
_SECRET_KEYS = ("id", "src", "source", "type", "env")
_LARGEST_SECRET = 500 << 10  # bytes, as docker's


class Output:
    """Where a result goes: `type` as in OUTPUTS, `destination` a path or "-", `name` an image's name."""

    __slots__ = ("destination", "name", "type")

    def __init__(self, type: str, destination: str = "", name: str = "") -> None:
        self.type = type
        self.destination = destination
        self.name = name


class Cache:
    """Where steps are kept for elsewhere: `type` is local or registry, `place` a directory or an image's name."""

    __slots__ = ("place", "type")

    def __init__(self, type: str, place: str) -> None:
        self.type = type
        self.place = place


class Ssh:
    """--ssh: the `socket` of an agent, or files of `keys` for one."""

    __slots__ = ("keys", "socket")

    def __init__(self, socket: str = "", keys: Sequence[str] = ()) -> None:
        self.socket = socket
        self.keys = keys


class BuildOptions:
    """Checked options. `environ` is the caller's environment, which only the command line passes on."""

    def __init__(self, raw: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> None:
        given = {key: value for key, value in raw.items() if value is not None}
        environ = environ or {}
        self.tags: list[str] = texts("--tag", given.pop("tag", ()))
        self.target = text("--target", given.pop("target", ""))
        self.arguments = _arguments(pairs("--build-arg", given.pop("build_arg", ())), environ)
        self.labels = _assignments("--label", given.pop("label", ()))
        self.annotations = _assignments("--annotation", given.pop("annotation", ()))
        self.secrets = dict(_secret(entry, environ) for entry in texts("--secret", given.pop("secret", ())))
        self.ssh = dict(_ssh(entry, environ) for entry in texts("--ssh", given.pop("ssh", ())))
        self.platforms = _platforms(given.pop("platform", ""))
        self.manifest = text("--manifest", given.pop("manifest", ""))
        self.cache_from = _caches("--cache-from", given.pop("cache_from", ()))
        self.cache_to = _caches("--cache-to", given.pop("cache_to", ()))
        self.no_cache = switch("--no-cache", given.pop("no_cache", False))
        self.no_cache_filter = [name for entry in texts("--no-cache-filter", given.pop("no_cache_filter", ()))
                                for name in entry.lower().split(",")]  # fmt: skip
        self.squash = switch("--squash", given.pop("squash", False))
        self.outputs = [_output(entry) for entry in texts("--output", given.pop("output", ()))]
        if switch("--push", given.pop("push", False)):
            self.outputs.append(Output("registry"))
        if not (self.tags or self.manifest) and any(each.type == "registry" and not each.name for each in self.outputs):
            raise InvalidInput("pushing needs a name", hint="give one with --tag")
        self._check_several()
        self.network = _network(text("--network", given.pop("network", "")) or "default")
        self.pull = _pull(given.pop("pull", False))
        self.allow = [word for entry in texts("--allow", given.pop("allow", ())) for word in entry.split(",")]
        self.contexts = dict(_named(entry) for entry in texts("--build-context", given.pop("build_context", ())))
        self.jobs = _count("--jobs", given.pop("jobs", 0))
        self.base = text("--from", given.pop("from_", ""))
        self.ignore_file = text("--ignorefile", given.pop("ignorefile", ""))
        self.environment = _assignments("--env", given.pop("env", ()))
        self.unset = texts("--unsetenv", given.pop("unsetenv", ()))
        self.access = {key: given.pop(key) for key in ACCESS if key in given}
        self.epoch = _epoch(given.pop("source_date_epoch", ""), self.arguments)
        for word in self.allow:
            if word not in ENTITLEMENTS:
                raise InvalidInput(f"--allow: {word}: there is no such entitlement", hint=f"{', '.join(ENTITLEMENTS)}")
        self.engine = {key: given.pop(key) for key in ENGINE_OPTIONS if key in given}
        for key, value in self.engine.items():
            option(key).read(f"--{key.replace('_', '-')}", value)
        if given:
            raise InvalidInput(f"unknown flag: --{next(iter(given)).replace('_', '-')}")


    @property
    def several(self) -> bool:
        """Whether a manifest list comes of the build."""
        return len(self.platforms) > 1 or bool(self.manifest)

    def _check_several(self) -> None:
        if len(self.platforms) < 2:
            return
        if not self.tags and not self.manifest:
            raise InvalidInput("several platforms need a name for their manifest list", hint="--tag or --manifest")
        for output in self.outputs:
            if output.type not in ("image", "registry", "local") or output.name:
                raise Unsupported(f"--output: type={output.type} holds one platform", hint="build one after the other")


def _count(flag: str, value: Any) -> int:
    words = str(value)
    if not (words.isascii() and words.isdecimal() and len(words) < 6):
        raise InvalidInput(f'{flag}: "{value}" is not a number from 0 on')
    return int(words)


def _arguments(entries: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """--build-arg NAME=VALUE, or NAME: the caller's own value, if there is one."""
    found = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        if not name:
            raise InvalidInput(f'--build-arg: "{entry}": its name is empty')
        if equals:
            found[name] = value
        elif name in environ:
            found[name] = environ[name]
    return found


def _assignments(flag: str, value: Any) -> dict[str, str]:
    found = {}
    for entry in pairs(flag, value):
        name, _, content = entry.partition("=")
        if not name:
            raise InvalidInput(f'{flag}: "{entry}" has an empty name')
        found[name] = content
    return found


def _keys(flag: str, entry: str, known: Sequence[str]) -> dict[str, str]:
    found = {}
    for field in fields(flag, entry):
        name, equals, value = field.partition("=")
        if not equals or name.lower() not in known:
            raise InvalidInput(f'{flag}: "{entry}": "{field}" is not one of {", ".join(f"{key}=…" for key in known)}')
        found[name.lower()] = value
    return found


def _secret(entry: str, environ: Mapping[str, str]) -> tuple[str, Secret]:
    """id=ID,src=FILE or id=ID,env=NAME; with the id alone the variable, else the file, of that name."""
    keys = _keys("--secret", entry, _SECRET_KEYS)
    id = keys.get("id", "")
    if not id:
        raise InvalidInput(f'--secret: "{entry}" has no id')
    path, name = keys.get("src") or keys.get("source") or "", keys.get("env", "")
    kind = keys.get("type") or ("env" if name or (not path and id in environ) else "file")
    if kind not in ("file", "env"):
        raise InvalidInput(f'--secret: "{entry}": the type is neither file nor env')
    if kind == "env":
        name = name or path or id
        if name not in environ:
            raise InvalidInput(f'--secret: "{entry}": there is no variable {name}')
        return id, lambda: environ[name].encode("utf-8", "surrogateescape")
    return id, _secret_file(entry, path or id)


def _secret_file(entry: str, path: str) -> Secret:
    def read() -> bytes:
        with open(path, "rb") as file:
            return file.read(_LARGEST_SECRET + 1)

    try:
        content = read()
    except OSError as error:
        raise InvalidInput(f'--secret: "{entry}": cannot read {path}: {error.strerror}') from error
    if len(content) > _LARGEST_SECRET:
        raise InvalidInput(f'--secret: "{entry}": {path} is larger than {_LARGEST_SECRET} bytes')
    return read


def _ssh(entry: str, environ: Mapping[str, str]) -> tuple[str, Ssh]:
    """default, or ID[=SOCKET|KEY[,KEY...]]: an agent's socket, by default that of SSH_AUTH_SOCK, or files of keys."""
    import stat

    id, _, place = entry.partition("=")
    place = place or environ.get("SSH_AUTH_SOCK", "")
    if not place:
        raise InvalidInput(f'--ssh: "{entry}": no agent runs: SSH_AUTH_SOCK is not set')
    paths = [os.path.abspath(path) for path in place.split(",")]
    sockets = []
    for path in paths:
        try:
            if stat.S_ISSOCK(os.stat(path).st_mode):
                sockets.append(path)
        except OSError as error:
            raise InvalidInput(f'--ssh: "{entry}": {path}: {error.strerror}') from error
    if sockets and len(paths) > 1:
        raise InvalidInput(f'--ssh: "{entry}": is either one socket or files of keys')
    return id or "default", Ssh(*sockets) if sockets else Ssh(keys=paths)


def _platforms(value: Any) -> list[str]:
    """As they were given, each once; empty: this machine's."""
    found = text("--platform", value if isinstance(value, str) else ",".join(value))
    read = option("platform").read
    return list(dict.fromkeys(str(read("--platform", word)) for word in found.split(","))) if found else []


def _caches(flag: str, given: object) -> list[Cache]:
    return [_cache(flag, entry) for entry in texts(flag, given)]


def _cache(flag: str, entry: str) -> Cache:
    """type=local,src=DIRECTORY (or dest=), type=registry,ref=NAME; alone a directory, or a name with a registry."""
    if "=" not in entry:
        named = "/" in entry and not entry.startswith((".", "/"))
        return _in_registry(flag, entry) if named else Cache("local", os.path.abspath(entry))
    keys = {}
    for field in fields(flag, entry):
        name, _, value = field.partition("=")
        keys[name.lower()] = value
    kind = keys.get("type", "local")
    if kind == "registry":
        if not keys.get("ref"):
            raise InvalidInput(f'{flag}: "{entry}" names no image: ref=…')
        return _in_registry(flag, keys["ref"])
    if kind != "local":
        raise Unsupported(f"{flag}: {entry}: caches of type {kind} are not built yet", hint="local and registry are")
    path = keys.get("src") or keys.get("dest")
    if not path:
        raise InvalidInput(f'{flag}: "{entry}" names no directory: src=… or dest=…')
    return Cache("local", os.path.abspath(path))


def _in_registry(flag: str, name: str) -> Cache:
    if Reference.parse(name).digest:
        raise InvalidInput(f"{flag}: {name}: a cache has a tag, which moves on with each build, and no digest")
    return Cache("registry", name)


def _output(entry: str) -> Output:
    """type=TYPE,dest=PATH; a plain path is a directory for the files, - a tar of them on standard output."""
    if "=" not in entry:
        return Output("tar", "-") if entry == "-" else Output("local", entry)
    keys = {}
    for field in fields("--output", entry):
        name, _, value = field.partition("=")
        keys[name.lower()] = value
    kind = keys.get("type", "")
    if kind == "image" and keys.get("push") == "true":
        kind = "registry"  # as buildx has it
    if kind not in OUTPUTS:
        raise InvalidInput(f"--output: {entry}: there is no type {kind!r}", hint=f"there are: {', '.join(OUTPUTS)}")
    destination = keys.get("dest") or keys.get("destination") or ""
    if kind == "local" and destination in ("", "-"):
        raise InvalidInput(f"--output: {entry}: type=local needs dest=DIRECTORY")
    if kind in ("tar", "oci"):
        destination = destination or "-"
    return Output(kind, destination, keys.get("name", ""))


def _network(value: str) -> str:
    """The network of RUN: the host's, as long as there is no other that has names and addresses; or none."""
    if value in ("default", "host"):
        return "host"
    if value == "none":
        return value
    raise Unsupported(f"--network: {value}: not built yet", hint="host and none are")


def _pull(value: Any) -> str:
    """podman's words, or docker's switch."""
    word = str(value).lower() if not isinstance(value, bool) else ("always" if value else "missing")
    word = {"true": "always", "false": "missing", "ifmissing": "missing", "ifnewer": "newer"}.get(word, word)
    if word not in ("always", "missing", "never", "newer"):
        raise InvalidInput(f'--pull: "{value}" is not one of always, missing, never, newer')
    return word


def _named(entry: str) -> tuple[str, str]:
    """--build-context NAME=DIRECTORY, NAME=docker-image://IMAGE."""
    name, equals, place = entry.partition("=")
    if not name or not equals or not place:
        raise InvalidInput(f'--build-context: "{entry}" is not NAME=PLACE')
    if place.startswith(("docker-image://", "container-image://", "docker://", "target:")):
        return name.lower(), place
    if "://" in place:
        raise Unsupported(f"--build-context: {entry}: not built yet", hint="directories and docker-image:// are")
    if not os.path.isdir(place):
        raise InvalidInput(f"--build-context: {entry}: {place} is no directory")
    return name.lower(), os.path.abspath(place)


def _epoch(value: Any, arguments: Mapping[str, str]) -> int | None:
    """--source-date-epoch, or the build argument of that name: seconds since 1970."""
    words = str(value) if value != "" else arguments.get("SOURCE_DATE_EPOCH", "")
    if not words:
        return None
    if not (words.isascii() and words.isdecimal() and len(words) < 12):
        raise InvalidInput(f'SOURCE_DATE_EPOCH: "{words}" is not a number of seconds')
    return int(words)
