"""What became of each attachment, kept in files of libcni's own form: DEL and CHECK need what ADD was told
and answered.

An attachment is written down before its ADD begins, without a result: after a crash in its midst a later command knows
of it and undoes it.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode

from ringfence import json
from ringfence.errors import Corrupt, RingfenceError
from ringfence.network.cni import configuration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.network.cni.configuration import Configuration

_KIND = "cniCacheV1"


class Entry:
    """One attachment: to what network, with what parameters; `result` is None until all of ADD has succeeded."""

    __slots__ = ("arguments", "capabilities", "configuration", "container", "interface", "namespace", "result")

    def __init__(
        self,
        configuration: Configuration,
        container: str,
        interface: str,
        namespace: str,
        arguments: dict[str, str],
        capabilities: dict[str, Any],
        result: dict[str, Any] | None = None,
    ) -> None:
        self.configuration = configuration
        self.container = container
        self.interface = interface
        self.namespace = namespace
        self.arguments = arguments
        self.capabilities = capabilities
        self.result = result


def write(directory: str, entry: Entry) -> None:
    """Keep it, in place of what is kept of the same attachment."""
    path = _path(directory, entry.configuration.name, entry.container, entry.interface)
    os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    document = {
        "kind": _KIND,
        "containerId": entry.container,
        "config": b64encode(entry.configuration.source.encode()).decode(),
        "ifName": entry.interface,
        "networkName": entry.configuration.name,
        "netns": entry.namespace,
        "cniArgs": [list(pair) for pair in entry.arguments.items()],
        "capabilityArgs": entry.capabilities,
        "result": entry.result,
    }
    with open(f"{path}.new", "wb") as file:
        file.write(json.dumps(document).encode())
    os.rename(f"{path}.new", path)


def read(directory: str, network: str, container: str, interface: str) -> Entry | None:
    """What is kept of it, None if nothing is. Corrupt names the file."""
    return _read(_path(directory, network, container, interface))


def remove(directory: str, network: str, container: str, interface: str) -> None:
    """Forget it; it need not be there."""
    try:
        os.unlink(_path(directory, network, container, interface))
    except FileNotFoundError:
        return


def entries(directory: str, network: str = "") -> list[Entry]:
    """All that is kept, or all of one network, in the order of the files' names."""
    results = os.path.join(directory, "results")
    try:
        names = sorted(os.listdir(results))
    except FileNotFoundError:
        return []
    found = [_read(os.path.join(results, name)) for name in names if not name.endswith(".new")]
    return [entry for entry in found if entry is not None and network in ("", entry.configuration.name)]


def _path(directory: str, network: str, container: str, interface: str) -> str:
    return os.path.join(directory, "results", f"{network}-{container}-{interface}")


def _read(path: str) -> Entry | None:
    try:
        with open(path, "rb") as file:
            content = file.read()
    except FileNotFoundError:
        return None
    try:
        document = json.loads(content)
        if document["kind"] != _KIND:
            raise ValueError(f"its kind is not {_KIND}")
        result = document["result"]
        return Entry(
            configuration.parse(json.loads(b64decode(document["config"], validate=True)), path),
            str(document["containerId"]),
            str(document["ifName"]),
            str(document.get("netns") or ""),
            {str(key): str(value) for key, value in document.get("cniArgs") or ()},
            dict(document.get("capabilityArgs") or {}),
            None if result is None else dict(result),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, RingfenceError) as error:
        raise Corrupt(f"{path}: is not an attachment's record: {error}", hint="remove it by hand") from error
