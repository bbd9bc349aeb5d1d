"""CNI network configurations: files of /etc/cni/net.d, read and checked (CNI specification, section 1).

A `.conflist` (or `.json`) file holds a network with its list of plugins; a `.conf` file of the older form holds one
plugin, and is a network of it alone.
"""

from __future__ import annotations

import os

from ringfence import json
from ringfence.errors import InvalidInput, NotFound, RingfenceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

DIRECTORY = "/etc/cni/net.d"
VERSIONS = ("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")  # oldest first; before 0.3.0 there are no lists
_SUFFIXES = (".conf", ".conflist", ".json")
_RESERVED = ("args", "prevResult", "runtimeConfig")
_ALPHANUMERIC = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


class Configuration:
    """A network: its name, the versions it is written for (highest last, ours only), and its plugins' objects.

    `checked` and `collected` are False where the administrator forbids CHECK or GC. `source` is the JSON it came from,
    the plugins of its folder included.
    """

    __slots__ = ("checked", "collected", "name", "plugins", "source", "versions")

    def __init__(
        self, name: str, versions: list[str], plugins: list[dict[str, Any]], *, checked: bool, collected: bool
    ) -> None:
        self.name = name
        self.versions = versions
        self.plugins = plugins
        self.checked = checked
        self.collected = collected
        self.source = json.dumps(
            {
                "cniVersion": versions[0],
                "cniVersions": versions,
                "name": name,
                "disableCheck": not checked,
                "disableGC": not collected,
                "loadOnlyInlinedPlugins": True,
                "plugins": plugins,
            }
        )


def load(path: str) -> Configuration:
    """The network in this file, with the plugins in the folder beside it that has the network's name.

    Raises NotFound, or InvalidInput that names the file and the key.
    """
    document = _read(path)
    beside: list[dict[str, Any]] = []
    if "plugins" in document or document.get("loadOnlyInlinedPlugins") is False:
        name = _name(document, path)
        if not _flag(document, "loadOnlyInlinedPlugins", path):
            directory = os.path.join(os.path.dirname(path), name)
            beside = [_read(file) for file in _files(directory) if file.endswith(".conf")]
    return parse(document, path, beside)


def parse(document: Any, where: str, beside: Iterable[dict[str, Any]] = ()) -> Configuration:
    """The network of a JSON value, `beside` being further plugins' objects; `where` begins the errors' lines."""
    if not isinstance(document, dict):
        raise InvalidInput(f"{where}: is not a JSON object")
    plugins = document.get("plugins")
    if plugins is None and "type" in document:
        single = {key: value for key, value in document.items() if key not in ("cniVersion", "cniVersions", "name")}
        plugins = [single]
    if not isinstance(plugins, list | type(None)):
        raise InvalidInput(f"{where}: plugins: must be a list")
    plugins = [*(plugins or []), *beside]
    if not plugins:
        raise InvalidInput(f"{where}: plugins: at least one is needed")
    for number, plugin in enumerate(plugins):
        _check_plugin(plugin, f"{where}: plugins[{number}]")
    return Configuration(
        _name(document, where),
        _versions(document, where),
        plugins,
        checked=not _flag(document, "disableCheck", where),
        collected=not _flag(document, "disableGC", where),
    )


def load_all(directory: str = DIRECTORY) -> tuple[dict[str, Configuration], list[RingfenceError]]:
    """All networks of a directory by their names, of two with one name the first file's; and what cannot be read."""
    found: dict[str, Configuration] = {}
    problems: list[RingfenceError] = []
    for path in _files(directory):
        try:
            configuration = load(path)
        except (InvalidInput, NotFound) as error:
            problems.append(error)
        else:
            found.setdefault(configuration.name, configuration)
    return found, problems


def path_of(name: str, directory: str = DIRECTORY) -> str:
    """The file that has the network of that name; NotFound."""
    for path in _files(directory):
        try:
            if load(path).name == name:
                return path
        except (InvalidInput, NotFound):
            continue  # `find` tells of those
    raise NotFound(f"no CNI network {name} in {directory}")


def find(name: str, directory: str = DIRECTORY) -> Configuration:
    """The network of that name; NotFound says which files could not be read."""
    found, problems = load_all(directory)
    if name not in found:
        raise NotFound(f"no CNI network {name} in {directory}", hint="; ".join(map(str, problems)))
    return found[name]


def valid_name(text: str) -> bool:
    """Whether it may name a network or a container: letters, digits and `_.-`, of which none comes first."""
    return text[:1] in _ALPHANUMERIC and bool(text) and not set(text) - _ALPHANUMERIC - set("_.-")


def _files(directory: str) -> list[str]:
    try:
        names = sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [os.path.join(directory, name) for name in names if name.endswith(_SUFFIXES)]


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            document = json.loads(file.read())
    except FileNotFoundError:
        raise NotFound(f"{path}: no such file") from None
    except OSError as error:
        raise InvalidInput(f"{path}: {os.strerror(error.errno or 0).lower()}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path}: is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise InvalidInput(f"{path}: is not a JSON object")
    return document


def _name(document: dict[str, Any], where: str) -> str:
    name = document.get("name")
    if not isinstance(name, str) or not valid_name(name):
        raise InvalidInput(f"{where}: name: must be letters, digits, and _ . - but for the first of them")
    return name


def _flag(document: dict[str, Any], key: str, where: str) -> bool:
    value = document.get(key, False)
    if isinstance(value, str) and value.lower() in ("true", "false"):  # libcni takes the words, too
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise InvalidInput(f"{where}: {key}: must be true or false")
    return value


def _versions(document: dict[str, Any], where: str) -> list[str]:
    several = document.get("cniVersions", [])
    given = [document.get("cniVersion", ""), *(several if isinstance(several, list) else [0])]
    given = [version for version in given if version != ""]
    if not given or not all(isinstance(version, str) for version in given):
        raise InvalidInput(f"{where}: cniVersion: must be a version, such as 1.0.0, and cniVersions a list of them")
    ours = [version for version in VERSIONS if version in given]
    if not ours:
        asked = ", ".join(map(str, given))
        known = f"{VERSIONS[0]} to {VERSIONS[-1]} are"
        raise InvalidInput(f"{where}: cniVersion: {asked} is not supported", hint=known)
    return ours


def _check_plugin(plugin: Any, where: str) -> None:
    if not isinstance(plugin, dict):
        raise InvalidInput(f"{where}: must be an object")
    type = plugin.get("type")
    if not isinstance(type, str) or not type or "/" in type or "\0" in type or type in (".", ".."):
        raise InvalidInput(f"{where}.type: must be the file name of a plugin")
    for key in plugin:
        if key in _RESERVED or key.startswith("cni.dev/"):
            raise InvalidInput(f"{where}.{key}: is for the runtime to set")
    capabilities = plugin.get("capabilities", {})
    if not isinstance(capabilities, dict) or not all(isinstance(value, bool) for value in capabilities.values()):
        raise InvalidInput(f"{where}.capabilities: must be an object of true and false")
