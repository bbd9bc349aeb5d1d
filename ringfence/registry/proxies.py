"""Proxies: which one a request goes through, by HTTP_PROXY, HTTPS_PROXY and NO_PROXY, as Go's programs read them."""

from __future__ import annotations

import base64
from ipaddress import ip_address, ip_network
from urllib.parse import unquote, urlsplit

from ringfence.errors import InvalidInput, Unsupported
from ringfence.oci.digest import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Proxy:
    """Where a proxy listens, and the headers that it wants."""

    __slots__ = ("headers", "host", "port")

    def __init__(self, host: str, port: int, headers: Mapping[str, str]) -> None:
        self.host = host
        self.port = port
        self.headers = dict(headers)


class Proxies:
    """The proxies that an environment names. A bad one is told when it would be used."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._proxies = {
            scheme: environ.get(f"{scheme.upper()}_PROXY") or environ.get(f"{scheme}_proxy") or ""
            for scheme in ("http", "https")
        }
        without = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
        self._without = [entry.strip().lower() for entry in without.split(",") if entry.strip()]

    def find(self, scheme: str, host: str, port: int) -> Proxy | None:
        """The proxy for a request to `scheme://host:port`; None for a direct one, as for all loopback addresses."""
        url = self._proxies.get(scheme)
        if not url or is_loopback(host) or any(_matches(entry, host.lower(), port) for entry in self._without):
            return None
        return _parse(url, f"{scheme.upper()}_PROXY")


def is_loopback(host: str) -> bool:
    """Whether a host, by its name or address, is this machine itself."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _parse(text: str, variable: str) -> Proxy:
    url = urlsplit(text if "://" in text else f"http://{text}")
    if url.scheme != "http":
        raise Unsupported(f'{variable}: "{printable(url.scheme)}" proxies are not built', hint="http:// ones are")
    try:
        host, port = url.hostname, url.port or 80
    except ValueError:
        host, port = "", 0
    if not host:
        raise InvalidInput(f'{variable}: "{printable(text)}" is not the address of a proxy like http://host:3128')
    headers = {}
    if url.username is not None:
        pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
        headers["Proxy-Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    return Proxy(host, port, headers)


def _matches(entry: str, host: str, port: int) -> bool:
    """Whether an entry of NO_PROXY covers the host: `*`, an address, a network, or a domain with all below it."""
    if entry == "*":
        return True
    name, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdecimal() and (":" not in name or name.startswith("[")):
        if int(wanted) != port:
            return False
        entry = name
    entry, host = entry.strip("[]"), host.strip("[]")
    try:
        return ip_address(host) in ip_network(entry, strict=False)
    except ValueError:
        domain = entry.removeprefix("*").lstrip(".")
        exact = not entry.startswith((".", "*"))
        return host.endswith(f".{domain}") or (exact and host == domain)
