"""registries.conf: mirrors, other locations, insecure and blocked registries, in the TOML form of podman and its kin.

Read are the `[[registry]]` tables (prefix, location, insecure, blocked, mirror-by-digest-only) with their tables
`[[registry.mirror]]` (location, insecure, pull-from-mirror), and `[aliases]`: containers-registries.conf(5), version 2.
Other keys are for other programs and are left alone: short names without an alias always mean docker.io.
"""

from __future__ import annotations

import os

from ringfence.errors import Denied, InvalidInput
from ringfence.oci.reference import Reference
from ringfence.oci.shape import Mismatch, array, boolean, filled, mapping, one_of, record, require, string

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

_PULLS = ("all", "digest-only", "tag-only")
_MIRROR = record(
    {"location": filled, "insecure": boolean, "pull-from-mirror": one_of("pull-from-mirror", _PULLS)},
    required=("location",),
)
_REGISTRY = record(
    {
        "prefix": filled,
        "location": filled,
        "insecure": boolean,
        "blocked": boolean,
        "mirror-by-digest-only": boolean,
        "mirror": array(_MIRROR),
    }
)


def _named(value: Any) -> None:
    _REGISTRY(value)
    if not (value.get("prefix") or value.get("location")):
        raise Mismatch("needs a prefix or a location")
    if value.get("prefix", "").startswith("*.") and "/" in value["prefix"]:
        raise Mismatch("a wildcard covers whole hosts only", "prefix")


_SHAPE = record({"registry": array(_named), "aliases": mapping(string)})


class Location:
    """A place where a repository is: `host` (with port), `repository`, and whether its certificate need not be right.

    A `mirror` is asked before the registry itself, about tags, digests or both (`pulls`).
    """

    __slots__ = ("host", "insecure", "mirror", "pulls", "repository")

    def __init__(self, host: str, repository: str, *, insecure: bool = False, mirror: bool = False,
                 pulls: str = "all") -> None:  # fmt: skip
        self.host = host
        self.repository = repository
        self.insecure = insecure
        self.mirror = mirror
        self.pulls = pulls

    def __repr__(self) -> str:
        kind = "mirror " if self.mirror else ""
        return f"<{kind}{self.host}/{self.repository}{' insecure' if self.insecure else ''}>"


class Configuration:
    """What the files say, later files over earlier ones."""

    def __init__(self) -> None:
        self._registries: dict[str, dict[str, Any]] = {}  # by prefix
        self._aliases: dict[str, str] = {}

    @classmethod
    def read(cls, paths: Iterable[str]) -> Configuration:
        """From files and directories of `*.conf` files; what is not there says nothing."""
        made = cls()
        for path in paths:
            try:
                names = [os.path.join(path, name) for name in sorted(os.listdir(path)) if name.endswith(".conf")]
            except NotADirectoryError:
                names = [path]
            except FileNotFoundError:
                continue
            for name in names:
                with open(name, "rb") as file:
                    made.add(file.read(), name)
        return made

    def add(self, content: bytes, subject: str) -> None:
        """Take in the content of one file; InvalidInput names it and what is wrong."""
        import tomllib

        try:
            document = tomllib.loads(content.decode())
        except UnicodeDecodeError as error:
            raise InvalidInput(f"{subject}: not valid TOML: byte {error.start} is not UTF-8") from None
        except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
            raise InvalidInput(f"{subject}: not valid TOML: {' '.join(str(error).split()).lower()}") from None
        require(document, _SHAPE, subject)
        for registry in document.get("registry") or ():
            self._registries[(registry.get("prefix") or registry["location"]).rstrip("/")] = registry
        for short, name in (document.get("aliases") or {}).items():
            self._aliases[short] = name

    def resolve(self, text: str) -> Reference:
        """The reference that a person means by `text`; a short name may have an alias."""
        head, _, rest = text.partition("@")
        name, colon, tag = head.rpartition(":")
        if not colon or "/" in tag:
            name, tag = head, ""
        alias = self._aliases.get(name) if "/" not in name else None
        if not alias:
            return Reference.parse(text)
        return Reference.parse(alias + (f":{tag}" if tag else "") + (f"@{rest}" if rest else ""))

    def locations(self, reference: Reference, *, insecure: bool = False) -> list[Location]:
        """Where to look for the repository of a reference: mirrors first, the registry itself last. Denied if blocked.

        `insecure` is the caller's own word about the registry itself.
        """
        found = self._find(reference.name)
        if found is None:
            return [Location(reference.registry, reference.repository, insecure=insecure)]
        prefix, registry = found
        if registry.get("blocked"):
            raise Denied(f"{reference.name}: blocked by the registries' configuration (prefix {prefix})")
        by_digest = "digest-only" if registry.get("mirror-by-digest-only") else "all"
        own = registry.get("location") or prefix
        places = [
            *((mirror["location"], mirror.get("insecure"), mirror.get("pull-from-mirror") or by_digest, True)
              for mirror in registry.get("mirror") or ()),
            (own, insecure or registry.get("insecure"), "all", False),
        ]  # fmt: skip
        return [
            _location(_moved(reference.name, prefix, place), bool(careless), pulls, mirror)
            for place, careless, pulls, mirror in places
        ]

    def _find(self, name: str) -> tuple[str, Mapping[str, Any]] | None:
        """The entry with the longest prefix that covers the name."""
        covering = [prefix for prefix in self._registries if _covers(prefix, name)]
        longest = max(covering, key=len, default="")
        return (longest, self._registries[longest]) if longest else None


def files(home: str, environ: Mapping[str, str]) -> Sequence[str]:
    """The files that say something to this user, in the order in which they are read."""
    if chosen := environ.get("CONTAINERS_REGISTRIES_CONF"):
        return [chosen]
    own = os.path.join(environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config"), "containers")
    system = "/etc/containers"
    main = own if os.path.exists(f"{own}/registries.conf") else system
    return [f"{main}/registries.conf", f"{system}/registries.conf.d", f"{own}/registries.conf.d"]


def _covers(prefix: str, name: str) -> bool:
    if prefix.startswith("*."):
        return name.partition("/")[0].partition(":")[0].endswith(prefix[1:])
    return name == prefix or (name.startswith(prefix) and name[len(prefix)] in "/:")


def _moved(name: str, prefix: str, location: str) -> str:
    """`name` with what stands for `prefix` replaced by `location`; a wildcard stands for the host."""
    if prefix.startswith("*."):
        return location.rstrip("/") + name[len(name.partition("/")[0]) :] if location != prefix else name
    return location.rstrip("/") + name[len(prefix) :]


def _location(name: str, insecure: bool, pulls: str, mirror: bool) -> Location:
    host, _, repository = name.partition("/")
    checked = Reference.parse(f"{host}/{repository}") if "/" in name else None
    if checked is None or checked.name != name:
        raise InvalidInput(f'registries\' configuration: "{name}" is not the name of a repository')
    return Location(host, repository, insecure=insecure, mirror=mirror, pulls=pulls)
