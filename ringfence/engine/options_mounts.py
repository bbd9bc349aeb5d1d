"""Options that mount something: `--volume`, `--mount`, `--tmpfs`, `--volumes-from`, `--read-only`.

All become one form, a `MountRequest`; engine/volumes.py then finds each volume's directory and engine/spec_mounts.py
writes them as mounts of the spec. The grammar is docker's (cli/opts/mount.go, volume/mounts/linux_parser.go).
"""

from __future__ import annotations

import os

from ringfence.engine.options_kinds import Option, bad, each, size, switch, text, texts
from ringfence.engine.options_lifecycle import is_name
from ringfence.errors import InvalidInput, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NotRequired, TypedDict

    from ringfence.engine.options import Options

    class MountRequest(TypedDict):
        """One mount that was asked for, as JSON.

        `type`: "bind", "volume" or "tmpfs"; for steps of a build "overlay", too. `source`: the host's path, or the
        volume's name (empty: anonymous). `target`: an absolute, normalised path in the container. `options`: for the
        spec. `create`: a bind source that is missing is made as a directory (`-v` does so, `--mount` does not). `copy`:
        an empty volume is filled with what the image has at the target. `labels`: of a volume made for this mount.
        `anonymous`: it was named by us. `path`: the directory on the host, known once engine/volumes.py has resolved
        the request.
        """

        type: str
        source: str
        target: str
        options: list[str]
        create: NotRequired[bool]
        copy: NotRequired[bool]
        labels: NotRequired[dict[str, str]]
        anonymous: NotRequired[bool]
        path: NotRequired[str]


PROPAGATIONS = ("private", "rprivate", "shared", "rshared", "slave", "rslave")
# What `-v SOURCE:TARGET:OPTIONS` may list, and the options of the spec that it stands for. On a host without SELinux
# z and Z have nothing to do, and on Linux nor have the three words of Docker Desktop.
VOLUME_OPTIONS = {
    "rw": [], "ro": ["ro", "rro"], "readonly": ["ro", "rro"], "z": [], "Z": [],
    "cached": [], "delegated": [], "consistent": [],
    **{word: [word] for word in (*PROPAGATIONS, "bind", "rbind", "exec", "noexec", "suid", "nosuid", "dev", "nodev",
                                 "idmap", "ridmap")},
}  # fmt: skip
OPPOSITES = {"exec": "noexec", "suid": "nosuid", "dev": "nodev", "rw": "ro", "atime": "noatime",
             "diratime": "nodiratime", "relatime": "norelatime", "async": "sync"}  # fmt: skip
OPPOSITES |= {value: key for key, value in OPPOSITES.items()}
TMPFS_DEFAULTS = ("noexec", "nosuid", "nodev")
TMPFS_FLAGS = (*OPPOSITES, *PROPAGATIONS, "dirsync", "strictatime", "nostrictatime", "tmpcopyup")
TMPFS_VALUES = ("size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol", "huge")


def target_path(flag: str, whole: str, path: str) -> str:
    """The normalised target of a mount: absolute, and not the root itself."""
    if not path.startswith("/"):
        bad(flag, whole, f"has a target that is not an absolute path: {path}" if path else "has no target")
    normal = "/" + os.path.normpath(path).lstrip("/")
    if normal == "/":
        bad(flag, whole, "has the target /, which is the root filesystem itself")
    return normal


def _source_path(path: str) -> str:
    return "/" + os.path.abspath(path).lstrip("/")


def volume_name(flag: str, whole: str, name: str) -> str:
    """A volume's name."""
    if not is_name(name):
        bad(flag, whole, f"has an invalid volume name {name!r}: only [a-zA-Z0-9][a-zA-Z0-9_.-]+ is allowed; "
            "a path begins with / or .")  # fmt: skip
    return name


def volume(flag: str, value: Any) -> MountRequest:
    """`[SOURCE:]TARGET[:OPTIONS]`: a path (absolute, or beginning with a dot) is bound, a name is a volume."""
    whole = text(flag, value)
    parts = whole.split(":")
    if len(parts) > 3 or "" in parts or (len(parts) == 2 and not parts[1].startswith("/")):
        bad(flag, value, "is not of the form [SOURCE:]TARGET[:OPTIONS]")
    source = parts[0] if len(parts) > 1 else ""
    target = target_path(flag, whole, parts[min(1, len(parts) - 1)])
    words = parts[2].split(",") if len(parts) == 3 else []
    bind = source.startswith(("/", "."))
    options: list[str] = []
    for word in words:
        if word in ("U", "O") or word.startswith(("upperdir=", "workdir=", "idmap=")):
            raise Unsupported(f"{flag}: {whole}: option {word} is not built yet")
        if word not in VOLUME_OPTIONS and (word not in ("copy", "nocopy") or bind):
            bad(flag, whole, f"has an unknown option {word!r}")
        options += VOLUME_OPTIONS.get(word, [])
    if len(options) != len(set(options)) or sum(option in PROPAGATIONS for option in options) > 1:
        bad(flag, whole, "has options that contradict or repeat each other")
    if {"rw"} & set(words) and {"ro", "readonly"} & set(words):
        bad(flag, whole, "has options that contradict or repeat each other")
    if bind:
        return {"type": "bind", "source": _source_path(source), "target": target,
                "options": _bound(options), "create": True}  # fmt: skip
    if source:
        volume_name(flag, whole, source)
    return {"type": "volume", "source": source, "target": target, "options": _bound(options),
            "copy": "nocopy" not in words}  # fmt: skip


def _bound(options: list[str]) -> list[str]:
    """`options` with docker's defaults for a bind: recursive and private."""
    recursion = [] if "bind" in options or "rbind" in options else ["rbind"]
    propagation = [] if any(option in PROPAGATIONS for option in options) else ["rprivate"]
    return [*recursion, *options, *propagation]


def tmpfs(flag: str, value: Any) -> MountRequest:
    """`TARGET[:OPTIONS]` with the options of mount(8) and tmpfs(5)."""
    whole = text(flag, value)
    path, _, words = whole.partition(":")
    return {"type": "tmpfs", "source": "tmpfs", "target": target_path(flag, whole, path),
            "options": _tmpfs_options(flag, whole, words.split(",") if words else [])}  # fmt: skip


def _tmpfs_options(flag: str, whole: str, words: list[str]) -> list[str]:
    for word in words:
        key, equals, content = word.partition("=")
        if equals and key == "size":
            percent = content.removesuffix("%")
            if percent == content or not (percent.isascii() and percent.isdigit()):
                size(flag, content)
        elif equals and key == "mode":
            if not content or content.strip("01234567") or len(content) > 5:
                bad(flag, whole, f"has a mode that is not octal: {content}")
        elif equals and key in ("uid", "gid"):
            if not (content.isascii() and content.isdigit() and int(content) < 2**32 - 1):
                bad(flag, whole, f"has an invalid {key}: {content}")
        elif not (word in TMPFS_FLAGS or (equals and content and key in TMPFS_VALUES)):
            bad(flag, whole, f"has an invalid tmpfs option {word!r}")
    return [word for word in TMPFS_DEFAULTS if OPPOSITES[word] not in words and word not in words] + words


def fields(flag: str, whole: str) -> list[str]:
    """The fields of a line of comma-separated values (RFC 4180): one in double quotes may contain commas."""
    found: list[str] = []
    rest = whole
    while True:
        if rest.startswith('"'):
            field, rest = "", rest[1:]
            while True:
                part, quote, rest = rest.partition('"')
                if not quote:
                    bad(flag, whole, "has a quote that does not end")
                field += part
                if not rest.startswith('"'):
                    break
                field, rest = field + '"', rest[1:]
            if rest and not rest.startswith(","):
                bad(flag, whole, "has text after a closing quote")
            comma, rest = rest[:1], rest[1:]
        else:
            field, comma, rest = rest.partition(",")
            if '"' in field:
                bad(flag, whole, "has a quote inside a field")
        found.append(field)
        if not comma:
            return found


# The keys of `--mount`, by the type of mount they belong to ("": to all).
KEYS = {
    "source": "", "target": "", "readonly": "", "consistency": "",
    "bind-propagation": "bind", "bind-nonrecursive": "bind", "bind-recursive": "bind",
    "volume-nocopy": "volume", "volume-label": "volume", "volume-subpath": "volume",
    "volume-driver": "volume", "volume-opt": "volume",
    "tmpfs-size": "tmpfs", "tmpfs-mode": "tmpfs", "tmpfs-options": "tmpfs",
}  # fmt: skip
ALIASES = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly"}
RECURSIVE = {"enabled": ["rbind"], "disabled": ["bind"], "writable": ["rbind"], "readonly": ["rbind"]}


def mount(flag: str, value: Any) -> MountRequest:
    """`type=bind|volume|tmpfs,source=…,target=…,…` with docker's keys."""
    whole = text(flag, value)
    keys: dict[str, str] = {}
    labels: dict[str, str] = {}
    for field in fields(flag, whole):
        key, equals, content = field.partition("=")
        key = ALIASES.get(key.lower(), key.lower())
        if key != "type" and key not in KEYS:
            bad(flag, whole, f"has an unknown key {key!r}")
        if not equals and key not in ("readonly", "bind-nonrecursive", "volume-nocopy"):
            bad(flag, whole, f"has a key without a value: {key}")
        if key == "volume-label":
            labels[content.partition("=")[0]] = content.partition("=")[2]
        keys[key] = content if equals else "true"
    kind = keys.pop("type", "volume")
    if kind in ("image", "npipe", "cluster", "devpts", "glob", "ramfs"):
        raise Unsupported(f"{flag}: {whole}: type {kind} is not built yet", hint="use bind, volume or tmpfs")
    if kind not in ("bind", "volume", "tmpfs"):
        bad(flag, whole, f"has an unknown type {kind!r} (one of bind, volume, tmpfs)")
    for key in keys:
        if KEYS[key] not in ("", kind):
            bad(flag, whole, f"has the key {key}, which does not belong to type {kind}")
    if keys.get("volume-driver", "local") != "local" or "volume-opt" in keys or "volume-subpath" in keys:
        raise Unsupported(f"{flag}: {whole}: drivers, options and subpaths of volumes are not built yet")
    request = _MOUNTS[kind](flag, whole, keys)
    if labels:
        request["labels"] = labels
    return request


def _switch(flag: str, whole: str, keys: dict[str, str], key: str) -> bool:
    try:
        return switch(flag, keys.get(key, False))
    except InvalidInput:
        bad(flag, whole, f"has a {key} that is neither true nor false")


def _mount_bind(flag: str, whole: str, keys: dict[str, str]) -> MountRequest:
    source = keys.get("source", "")
    if not source:
        bad(flag, whole, "has no source")
    read_only = _switch(flag, whole, keys, "readonly")
    recursive = keys.get("bind-recursive", "enabled")
    if recursive not in RECURSIVE:
        bad(flag, whole, f"has a bind-recursive that is not one of {', '.join(RECURSIVE)}")
    if _switch(flag, whole, keys, "bind-nonrecursive"):
        recursive = "disabled"
    if recursive in ("writable", "readonly") and not read_only:
        bad(flag, whole, f"has bind-recursive={recursive}, which needs readonly")
    propagation = keys.get("bind-propagation", "rprivate")
    if propagation not in PROPAGATIONS:
        bad(flag, whole, f"has a bind-propagation that is not one of {', '.join(PROPAGATIONS)}")
    options = [*RECURSIVE[recursive], *(["ro"] if read_only else [])]
    if read_only and recursive in ("enabled", "readonly"):
        options.append("rro")
    return {"type": "bind", "source": _source_path(source), "target": target_path(flag, whole, keys.get("target", "")),
            "options": [*options, propagation], "create": False}  # fmt: skip


def _mount_volume(flag: str, whole: str, keys: dict[str, str]) -> MountRequest:
    source = keys.get("source", "")
    if source:
        volume_name(flag, whole, source)
    return {
        "type": "volume", "source": source, "target": target_path(flag, whole, keys.get("target", "")),
        "options": _bound(["ro", "rro"] if _switch(flag, whole, keys, "readonly") else []),
        "copy": not _switch(flag, whole, keys, "volume-nocopy"),
    }  # fmt: skip


def _mount_tmpfs(flag: str, whole: str, keys: dict[str, str]) -> MountRequest:
    if keys.get("source"):
        bad(flag, whole, "has a source, which a tmpfs has not")
    words = keys["tmpfs-options"].split(",") if keys.get("tmpfs-options") else []
    words += ["ro"] if _switch(flag, whole, keys, "readonly") else []
    if "tmpfs-size" in keys:
        words.append(f"size={size(flag, keys['tmpfs-size'])}")
    words.append(f"mode={keys.get('tmpfs-mode', '1777')}")
    return {"type": "tmpfs", "source": "tmpfs", "target": target_path(flag, whole, keys.get("target", "")),
            "options": _tmpfs_options(flag, whole, words)}  # fmt: skip


_MOUNTS = {"bind": _mount_bind, "volume": _mount_volume, "tmpfs": _mount_tmpfs}


def volumes_from(flag: str, value: Any) -> dict[str, str]:
    """`CONTAINER[:ro|rw]` → {"container", "mode"}; without a mode each mount keeps its own."""
    container, _, mode = text(flag, value).partition(":")
    if not container or mode not in ("", "ro", "rw", "z", "Z"):
        bad(flag, value, "is not of the form CONTAINER[:ro|rw]")
    return {"container": container, "mode": mode if mode == "ro" else ""}


def _tmpfs_all(flag: str, value: Any) -> list[MountRequest]:
    if isinstance(value, dict):  # docker-py's form: {"/run": "size=64m"}
        value = [f"{path}:{words}" if words else path for path, words in value.items()]
    return [tmpfs(flag, item) for item in texts(flag, value)]


OPTIONS = (
    Option("volume", "list", each(volume), "bind a path or a volume ([SOURCE:]TARGET[:OPTIONS])", short="v"),
    Option("mount", "list", each(mount), "mount a path, volume or tmpfs (type=bind|volume|tmpfs,source=…,target=…)",
           metavar="mount"),
    Option("tmpfs", "list", _tmpfs_all, "mount a tmpfs (TARGET[:OPTIONS])"),
    Option("volumes-from", "list", each(volumes_from), "mount the volumes of another container (CONTAINER[:ro])"),
    Option("read-only", "flag", switch, "make the root filesystem read-only"),
)  # fmt: skip


def check(options: Options) -> None:
    """Two mounts at one target hide each other: refused, as docker does."""
    seen: set[str] = set()
    for request in (*options.volume, *options.mount, *options.tmpfs):
        if request["target"] in seen:
            raise InvalidInput(f"duplicate mount point: {request['target']}")
        seen.add(request["target"])
        if ("idmap" in request["options"] or "ridmap" in request["options"]) and not options.userns:
            raise InvalidInput(f"--volume: {request['target']}: the option idmap needs --userns auto")
