"""The driver `cni`: a network that plugins make, in the interface of the built-in drivers.

Which addresses a container has is the plugins' to say; they are told of published ports where they declare that they
publish them (CONVENTIONS.md of containernetworking/cni, "portMappings").
"""

from __future__ import annotations

from ringfence.errors import InvalidInput
from ringfence.network.cni import attachment as cni
from ringfence.network.cni import configuration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.network.cni.configuration import Configuration
    from ringfence.network.values import Attachment, Network, Port


class CniDriver:
    """`directory` keeps what plugins answered; `process` is one in the container's network namespace (0: it has gone).

    The network's `interface` is the path of its configuration.
    """

    def __init__(self, directory: str, process: int = 0, ports: Sequence[Port] = ()) -> None:
        self._cni = cni.Cni(directory)
        self._process = process
        self._ports = ports

    def check(self, network: Network) -> None:
        """What is in its configuration is the plugins' to judge; that it is one is seen when it is read."""
        _configuration(network)

    def open(self, network: Network) -> None:
        """The plugins make what they need; whether they can is asked of those that know (STATUS)."""
        self._cni.status(_configuration(network))

    def connect(self, network: Network, attachment: Attachment, namespace: int) -> None:
        """ADD. The addresses and the MAC that the plugins gave are put into `attachment`."""
        found = _configuration(network)
        asked = cni.Attachment(attachment.container, f"/proc/{self._process}/ns/net", attachment.interface,
                               capabilities=self._capabilities(found, attachment))  # fmt: skip
        result = self._cni.add(found, asked)
        inside = [one for one in result.interfaces if one[2]]
        attachment.addresses = [one.address for one in result.addresses]
        attachment.mac = inside[0][1] if inside else attachment.mac

    def disconnect(self, network: Network, attachment: Attachment, namespace: int | None) -> None:
        """DEL, with the configuration that ADD had; without a namespace where that has gone."""
        self._cni.delete(_name(network), attachment.container, attachment.interface)

    def close(self, network: Network) -> None:
        """What the plugins keep for a network without containers is theirs."""

    def _capabilities(self, found: Configuration, attachment: Attachment) -> dict[str, object]:
        wanted: dict[str, object] = {}
        if attachment.mac:
            wanted["mac"] = attachment.mac
        if self._ports:
            if not publishes(found):
                raise InvalidInput(f"--publish: no plugin of the CNI network {found.name} declares portMappings",
                                   hint="add the plugin portmap to its configuration")  # fmt: skip
            wanted["portMappings"] = [
                {"hostPort": port.host_port, "containerPort": port.container_port, "protocol": port.protocol,
                 **({"hostIP": port.host_ip} if port.host_ip else {})}
                for port in self._ports
            ]  # fmt: skip
        return wanted


def publishes(found: Configuration) -> bool:
    """Whether a plugin of the network publishes ports."""
    return any((one.get("capabilities") or {}).get("portMappings") for one in found.plugins)


def _configuration(network: Network) -> Configuration:
    return configuration.load(network.interface)


def _name(network: Network) -> str:
    """The name in the configuration, under which what plugins answered is kept; the file may have gone since."""
    return network.options["name"]
