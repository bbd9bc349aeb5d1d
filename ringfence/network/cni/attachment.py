"""A runtime's part of CNI: containers attached to networks and detached again (CNI specification, section 3)."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager

from ringfence.errors import Conflict, InvalidInput, RingfenceError, Unsupported
from ringfence.network.cni import cache, plugin, result
from ringfence.network.cni.configuration import VERSIONS, valid_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from ringfence.network.cni.cache import Entry
    from ringfence.network.cni.configuration import Configuration
    from ringfence.network.cni.result import Result

_IFNAMSIZ = 15  # bytes of an interface's name (linux/if.h)


class Attachment:
    """One container's interface in one network. `namespace` is the path of its network namespace.

    `arguments` go to all plugins as CNI_ARGS; `capabilities` ("portMappings", "bandwidth", "ips", "mac", ... of
    CONVENTIONS.md) go to those that declare them.
    """

    __slots__ = ("arguments", "capabilities", "container", "interface", "namespace")

    def __init__(
        self,
        container: str,
        namespace: str,
        interface: str = "eth0",
        *,
        arguments: Mapping[str, str] | None = None,
        capabilities: Mapping[str, Any] | None = None,
    ) -> None:
        self.container = container
        self.namespace = namespace
        self.interface = interface
        self.arguments = dict(arguments or {})
        self.capabilities = dict(capabilities or {})
        if not valid_name(container):
            raise InvalidInput(f"container {container!r}: not an ID that CNI takes")
        name = interface.encode("utf-8", "surrogateescape")
        if not 0 < len(name) <= _IFNAMSIZ or interface in (".", "..") or set(interface) & set("/: \t\n\0"):
            raise InvalidInput(f"interface {interface!r}: not a name that Linux takes")
        for key, value in self.arguments.items():
            if not key or set(key + value) & set(";=\0"):
                raise InvalidInput(f"CNI argument {key}={value}: no ; or = can be in it")


class Cni:
    """CNI networks as one runtime uses them: where its plugins are, and where it keeps what they answered.

    Operations of one process exclude those of another where the specification asks for it: nothing is attached or
    detached while stale resources are collected.
    """

    def __init__(self, directory: str, plugins: Sequence[str] = plugin.DIRECTORIES) -> None:
        self.directory = directory
        self.plugins = tuple(plugins)

    def add(self, configuration: Configuration, attachment: Attachment) -> Result:
        """Attach a container: ADD of each plugin in turn. On any failure all is undone again before it is raised."""
        version = self._version(configuration)
        parameters = _parameters(attachment.container, attachment.namespace, attachment.interface, attachment.arguments)
        with self._exclusion(fcntl.LOCK_SH):
            known = cache.read(self.directory, configuration.name, attachment.container, attachment.interface)
            if known is not None and known.result is not None:
                raise Conflict(f"{attachment.interface} of {attachment.container} is in {configuration.name} already")
            if known is not None:  # an ADD that a crash ended
                self._delete(known)
            entry = cache.Entry(configuration, attachment.container, attachment.interface, attachment.namespace,
                                attachment.arguments, attachment.capabilities)  # fmt: skip
            cache.write(self.directory, entry)
            latest: Result | None = None
            try:
                for one in configuration.plugins:
                    previous = None if latest is None else latest.document
                    request = _request(configuration, version, one, attachment.capabilities, previous)
                    answer = plugin.execute(one["type"], "ADD", request, parameters, self.plugins)
                    latest = result.parse(answer, f"CNI plugin {one['type']}")
            except BaseException as error:
                try:
                    self._delete(entry)
                except RingfenceError as left:
                    error.add_note(f"and it could not be undone: {left}")
                raise
            assert latest is not None, "a configuration has a plugin"
            entry.result = latest.document
            cache.write(self.directory, entry)
        return latest

    def delete(self, network: str, container: str, interface: str = "eth0") -> None:
        """Detach it: DEL of each plugin in reverse order, with the configuration of its ADD. Once is as good as twice.

        If a plugin fails the attachment stays on record, so that it can be tried again.
        """
        with self._exclusion(fcntl.LOCK_SH):
            entry = cache.read(self.directory, network, container, interface)
            if entry is not None:
                self._delete(entry)

    def check(self, network: str, container: str, interface: str = "eth0") -> None:
        """Raise Failed if it is no longer as ADD left it. Nothing is asked where the network forbids CHECK."""
        entry = cache.read(self.directory, network, container, interface)
        if entry is None or entry.result is None:
            raise Conflict(f"{interface} of {container} is not in {network}")
        configuration = entry.configuration
        if not configuration.checked:
            return
        version = self._version(configuration)
        if VERSIONS.index(version) < VERSIONS.index("0.4.0"):
            raise Unsupported(f"CNI network {network}: CHECK came with version 0.4.0, and this one is for {version}")
        parameters = _parameters(container, entry.namespace, interface, entry.arguments)
        for one in configuration.plugins:
            request = _request(configuration, version, one, entry.capabilities, entry.result)
            plugin.execute(one["type"], "CHECK", request, parameters, self.plugins)

    def status(self, configuration: Configuration) -> None:
        """Raise Failed or NotFound if the network cannot take containers now; before 1.1.0 its plugins only exist."""
        version = self._version(configuration)
        for one in configuration.plugins:
            if version < "1.1.0":
                plugin.find(one["type"], self.plugins)
            else:
                plugin.execute(one["type"], "STATUS", _request(configuration, version, one), {}, self.plugins)

    def collect(self, configuration: Configuration, valid: Sequence[tuple[str, str]]) -> list[RingfenceError]:
        """Detach all of the network's but the `valid` (container, interface), then GC of each plugin that knows it.

        What fails is no reason to stop: it is returned.
        """
        problems: list[RingfenceError] = []
        with self._exclusion(fcntl.LOCK_EX):
            for entry in cache.entries(self.directory, configuration.name):
                if (entry.container, entry.interface) not in valid:
                    try:
                        self._delete(entry)
                    except RingfenceError as error:
                        problems.append(error)
            version = self._version(configuration)
            if version < "1.1.0" or not configuration.collected:
                return problems
            attachments = [{"containerID": container, "ifname": interface} for container, interface in valid]
            for one in configuration.plugins:
                request = {**_request(configuration, version, one), "cni.dev/valid-attachments": attachments}
                try:
                    plugin.execute(one["type"], "GC", request, {}, self.plugins)
                except RingfenceError as error:
                    problems.append(error)
        return problems

    def attached(self, network: str = "") -> list[Entry]:
        """What is on record, of one network or of all; those without a result have not come to the end of ADD."""
        return cache.entries(self.directory, network)

    def _delete(self, entry: Entry) -> None:
        version = self._version(entry.configuration)
        # Where the namespace has gone the plugins are told of none (containernetworking/cni, CONVENTIONS.md).
        namespace = entry.namespace if os.path.exists(entry.namespace) else ""
        parameters = _parameters(entry.container, namespace, entry.interface, entry.arguments)
        previous = entry.result if VERSIONS.index(version) >= VERSIONS.index("0.4.0") else None
        for one in reversed(entry.configuration.plugins):
            request = _request(entry.configuration, version, one, entry.capabilities, previous)
            plugin.execute(one["type"], "DEL", request, parameters, self.plugins)
        cache.remove(self.directory, entry.configuration.name, entry.container, entry.interface)

    def _version(self, configuration: Configuration) -> str:
        """The highest version of the network's that all its plugins speak; they are asked where it leaves a choice."""
        if len(configuration.versions) == 1:
            return configuration.versions[0]
        spoken = [set(plugin.versions(one["type"], self.plugins)) for one in configuration.plugins]
        common = [version for version in configuration.versions if all(version in one for one in spoken)]
        return common[-1] if common else configuration.versions[-1]  # and let the plugin say what it lacks

    @contextmanager
    def _exclusion(self, kind: int) -> Iterator[None]:
        os.makedirs(self.directory, 0o700, exist_ok=True)
        descriptor = os.open(os.path.join(self.directory, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, kind)
            yield
        finally:
            os.close(descriptor)


def _parameters(container: str, namespace: str, interface: str, arguments: Mapping[str, str]) -> dict[str, str]:
    parameters = {"CNI_CONTAINERID": container, "CNI_NETNS": namespace, "CNI_IFNAME": interface}
    if arguments:
        parameters["CNI_ARGS"] = ";".join(f"{key}={value}" for key, value in arguments.items())
    return parameters


def _request(
    configuration: Configuration,
    version: str,
    one: Mapping[str, Any],
    capabilities: Mapping[str, Any] | None = None,
    previous: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One plugin's request: its own object, with what the runtime inserts (Deriving request configuration)."""
    request = {key: value for key, value in one.items() if key != "capabilities"}
    request |= {"cniVersion": version, "name": configuration.name}
    declared = one.get("capabilities") or {}
    wanted = {key: value for key, value in (capabilities or {}).items() if declared.get(key)}
    if wanted:
        request["runtimeConfig"] = wanted
    if previous is not None:
        request["prevResult"] = previous
    return request
