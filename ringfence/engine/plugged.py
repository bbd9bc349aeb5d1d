"""What containers are plugged into now, and which ports they have published: read once for all that are shown."""

from __future__ import annotations

from ringfence.engine import document
from ringfence.engine.options import Options
from ringfence.engine.options_network import DEFAULT, requests
from ringfence.engine.ports import exposed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.engine import Engine
    from ringfence.engine.records import ContainerRecord
    from ringfence.network.values import Attachment, Network, Port

_ANY = ("0.0.0.0", "::")


class Plugged:
    """Of one container if its ID is given, else of all."""

    __slots__ = ("_attachments", "_networks", "_ports")

    def __init__(self, engine: Engine, container: str = "") -> None:
        self._networks: dict[str, Network] = {}  # by name and by ID
        for record in engine.networks.all():
            self._networks[record.network.name] = self._networks[record.network.id] = record.network
        self._attachments: dict[tuple[str, str], Attachment] = {}  # by container and network
        for endpoint in engine.networks.endpoints(container=container):
            attachment = endpoint.attachment
            self._attachments[attachment.container, attachment.network] = attachment
        self._ports: dict[str, list[Port]] = {}
        for id, port in engine.networks.ports(container):
            self._ports.setdefault(id, []).append(port)

    def settings(self, record: ContainerRecord, options: Options) -> dict[str, Any]:
        """`NetworkSettings`: Ports, Networks, and what docker repeats of the network `bridge` beside them."""
        asked = requests(options)
        if not asked:
            return {"Ports": {}, **document.NOWHERE, "Networks": document.networks(options)}
        found = {}
        for row in asked:
            network = self._networks.get(row["name"])
            attachment = self._attachments.get((record.id, network.id)) if network else None
            found[network.name if network else row["name"]] = document.network(record, row, network, attachment)
        first = found.get(DEFAULT, document.NOWHERE)
        return {"Ports": self.bindings(record), **{key: first[key] for key in document.NOWHERE}, "Networks": found}

    def bindings(self, record: ContainerRecord) -> dict[str, list[dict[str, str]]]:
        """Of each port that is published or exposed ("80/tcp"), where on this host it is published."""
        found: dict[str, list[dict[str, str]]] = {key: [] for key in exposed(record, Options.from_json(record.options))}
        for one in self._ports.get(record.id, ()):
            rows = found.setdefault(f"{one.container_port}/{one.protocol}", [])
            addresses = (one.host_ip,) if one.host_ip else _ANY
            rows += [{"HostIp": address, "HostPort": str(one.host_port)} for address in addresses]
        return dict(sorted(found.items(), key=lambda item: (int(item[0].partition("/")[0]), item[0])))

    def rows(self, record: ContainerRecord) -> list[dict[str, Any]]:
        """`Ports` of `ps`: IP, PrivatePort, PublicPort, Type; only exposed ones have no IP and PublicPort."""
        found: list[dict[str, Any]] = []
        for key, places in self.bindings(record).items():
            number, _, protocol = key.partition("/")
            inside = {"PrivatePort": int(number), "Type": protocol}
            found += [{"IP": place["HostIp"], "PublicPort": int(place["HostPort"]), **inside} for place in places]
            if not places:
                found.append(inside)
        return found
