"""What CNI plugins answer: the result of ADD, their errors, their versions (CNI specification, section 5)."""

from __future__ import annotations

from ringfence import json
from ringfence.errors import Failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TRY_AGAIN = 11
_MEANINGS = {  # section 5, Error
    1: "incompatible CNI version",
    2: "unsupported field in the network's configuration",
    3: "the container is unknown or does not exist",
    4: "an environment variable is missing or invalid",
    5: "input or output failed",
    6: "its input could not be decoded",
    7: "invalid network configuration",
    TRY_AGAIN: "a passing condition",
    50: "the plugin is not available",
    51: "the plugin is not available, and containers of the network may be cut off",
}


class Address:
    """One address of an attachment: "10.1.0.5/16", its gateway ("" without one), its interface's name ("" if none)."""

    __slots__ = ("address", "gateway", "interface")

    def __init__(self, address: str, gateway: str, interface: str) -> None:
        self.address = address
        self.gateway = gateway
        self.interface = interface


class Result:
    """The result of ADD: `document` is the plugin's own JSON, which later plugins and operations get again.

    `interfaces` are (name, MAC, namespace's path or "" for the host's, MTU or 0) in the plugin's order.
    """

    __slots__ = ("addresses", "document", "interfaces", "nameservers", "routes", "search")

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.interfaces: list[tuple[str, str, str, int]] = []
        self.addresses: list[Address] = []
        self.routes: list[tuple[str, str]] = []
        self.nameservers: list[str] = []
        self.search: list[str] = []


def parse(content: bytes, where: str) -> Result:
    """The result in a plugin's stdout. Failed names the plugin (`where`) and the key that is not as specified."""
    document = _object(content, where)
    result = Result(document)
    for number, one in enumerate(_list(document, "interfaces", where)):
        here = f"{where}: interfaces[{number}]"
        mtu = one.get("mtu") or 0
        if not isinstance(mtu, int):
            raise Failed(f"{here}.mtu: is not a number")
        result.interfaces.append((_text(one, "name", here), _text(one, "mac", here), _text(one, "sandbox", here), mtu))
    for number, one in enumerate(_list(document, "ips", where)):
        result.addresses.append(_address(one, result, f"{where}: ips[{number}]"))
    for number, one in enumerate(_list(document, "routes", where)):
        here = f"{where}: routes[{number}]"
        result.routes.append((_network(_text(one, "dst", here), f"{here}.dst"), _text(one, "gw", here)))
    dns = document.get("dns") or {}
    if not isinstance(dns, dict):
        raise Failed(f"{where}: dns: is not an object")
    result.nameservers = _texts(dns, "nameservers", where)
    result.search = _texts(dns, "search", where) or [text for text in [_text(dns, "domain", f"{where}: dns")] if text]
    return result


def failure(plugin: str, command: str, status: int, output: bytes, complaint: str) -> Failed:
    """A plugin's failure as an error: its own message, from the error object on its stdout; else its last words."""
    try:
        told = json.loads(output)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict) or not told.get("msg"):
        words = complaint.strip().splitlines() or [output.decode(errors="replace").strip()[-200:]]
        said = words[-1] or "it said nothing"
        return Failed(f"CNI plugin {plugin}: {command} ended with status {status}: {said}")
    text = f"CNI plugin {plugin}: {command}: {told['msg']}"
    if told.get("details"):
        text += f": {told['details']}"
    code = told.get("code")
    return Failed(text.replace("\n", " "), hint=_MEANINGS.get(code, "") if isinstance(code, int) else "")


def versions(content: bytes, where: str) -> list[str]:
    """The versions that a plugin supports, from its answer to VERSION."""
    return _texts(_object(content, where), "supportedVersions", where)


def _address(one: dict[str, Any], result: Result, where: str) -> Address:
    address = _text(one, "address", where)
    index = one.get("interface")
    name = ""
    if index is not None and index != -1:
        if not isinstance(index, int) or not 0 <= index < len(result.interfaces):
            raise Failed(f"{where}.interface: is not the index of an interface")
        name = result.interfaces[index][0]
    if "/" not in address:
        raise Failed(f"{where}.address: {address!r} has no prefix length")
    return Address(_network(address, f"{where}.address"), _text(one, "gateway", where), name)


def _network(text: str, where: str) -> str:
    from ipaddress import ip_interface

    try:
        ip_interface(text)
    except ValueError:
        raise Failed(f"{where}: {text!r} is not an address in CIDR notation") from None
    return text


def _object(content: bytes, where: str) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Failed(f"{where}: what it answered is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise Failed(f"{where}: what it answered is not a JSON object")
    return document


def _list(document: dict[str, Any], key: str, where: str) -> list[dict[str, Any]]:
    value = document.get(key) or []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise Failed(f"{where}: {key}: is not a list of objects")
    return value


def _text(document: dict[str, Any], key: str, where: str) -> str:
    value = document.get(key) or ""
    if not isinstance(value, str):
        raise Failed(f"{where}.{key}: is not a string")
    return value


def _texts(document: dict[str, Any], key: str, where: str) -> list[str]:
    value = document.get(key) or []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise Failed(f"{where}: {key}: is not a list of strings")
    return value
