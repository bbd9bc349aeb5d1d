"""The files that a container sees as /etc/hosts, /etc/hostname and /etc/resolv.conf: their text, and how it is found.

They are written into the bundle and bound over the image's own (see spec_mounts.ETC_FILES).
"""

from __future__ import annotations

import os

from ringfence.engine.options_namespaces import HOST_GATEWAY, container_of
from ringfence.engine.spec_mounts import ETC_FILES
from ringfence.engine.spec_namespaces import host_name
from ringfence.linux import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.engine.options import Options
    from ringfence.engine.spec_host import HostFacts

RESOLVED = "/run/systemd/resolve/resolv.conf"
PUBLIC = ("8.8.8.8", "8.8.4.4")
LOCAL_HOSTS = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


class Place:
    """What a container's networks give these files: its `addresses`, and `servers` and `gateways` that are ours."""

    __slots__ = ("addresses", "gateways", "servers")

    def __init__(self, addresses: Sequence[str] = (), servers: Sequence[str] = (),
                 gateways: Sequence[str] = ()) -> None:  # fmt: skip
        self.addresses = list(addresses)
        self.servers = list(servers)
        self.gateways = list(gateways)


def hosts(options: Options, name: str, host_text: str = "", place: Place | None = None) -> str:
    """/etc/hosts: the host's own lines with --network host (`host_text`), else localhost; --add-host lines after them.

    `name` is the container's, which resolves to 127.0.0.1 as long as the container has no other address.
    """
    place = place or Place()
    lines = host_text if options.network == "host" else LOCAL_HOSTS
    if options.network != "host" and name:
        full = f"{name}.{options.domainname} {name}" if options.domainname else name
        lines += "".join(f"{address}\t{full}\n" for address in place.addresses or ("127.0.0.1",))
    if lines and not lines.endswith("\n"):
        lines += "\n"
    for entry in options.add_host:
        alias, _, address = entry.partition("=")
        gateway = next(iter(place.gateways), "127.0.0.1")
        lines += f"{gateway if address == HOST_GATEWAY else address}\t{alias}\n"
    return lines


def resolv_conf(options: Options, host_text: str, *, listen: Sequence[str] = (), private: bool = False,
                resolved_text: str = "") -> str:  # fmt: skip
    """/etc/resolv.conf: the host's (`host_text`) with what --dns, --dns-search and --dns-option replace in it.

    `listen`: the addresses of our DNS server in the container's networks, which is asked instead and knows of --dns.
    `private`: the container has its own loopback, so that name servers on the host's cannot be reached: instead of
    those, the ones that systemd-resolved asks itself (RESOLVED, `resolved_text`), else PUBLIC, as docker and podman do.
    """
    given = {"nameserver": list(options.dns), "search": list(options.dns_search), "options": list(options.dns_option)}
    found = _found(host_text)
    if listen:
        given["nameserver"] = sorted(listen, key=lambda address: ":" in address)  # libc asks the first three
        if not any(word.startswith("ndots:") for word in given["options"] or found["options"]):
            given["options"] = [*(given["options"] or found["options"]), "ndots:0"]  # single words are names, too
    elif private and not given["nameserver"]:
        reachable = [address for address in found["nameserver"] if not _loopback(address)]
        others = [address for address in _found(resolved_text)["nameserver"] if not _loopback(address)]
        if not found["nameserver"] or reachable != found["nameserver"]:
            given["nameserver"] = reachable or others or list(PUBLIC)
    if not any(given.values()):
        return host_text
    for key, words in given.items():
        found[key] = words or found[key]
    if "." in found["search"]:  # resolv.conf(5): the root alone, docker's way to say: no search list
        found["search"] = []
    lines = [f"nameserver {address}" for address in found["nameserver"]]
    lines += [f"{key} {' '.join(found[key])}" for key in ("search", "options") if found[key]]
    return "".join(f"{line}\n" for line in lines)


def _found(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"nameserver": [], "search": [], "options": []}
    for line in text.split("\n"):
        key, *words = line.split() or [""]
        if key in found:
            found[key] += words
    return found


def _loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"


def write(id: str, options: Options, host: HostFacts, *, shared: str = "", place: Place | None = None) -> None:
    """Write the three files into the bundle, readable by every user of the container.

    `shared`: the bundle of the container whose network is joined; its hosts and resolv.conf hold here too. `place`:
    what its networks give.
    """
    name = host_name(id, options, host)
    texts = {
        "hostname": f"{name}\n",
        "hosts": hosts(options, name, _text("/etc/hosts") if options.network == "host" else "", place),
        "resolv.conf": resolver(options, place),
    }
    if container_of(options.network):
        for file in ("hosts", "resolv.conf"):
            texts[file] = _text(f"{shared}/{file}")
    for file in ETC_FILES:
        files.write(os.path.join(host.bundle, file), texts[file], 0o644)


def resolver(options: Options, place: Place | None) -> str:
    """`resolv_conf` of this machine's files."""
    private = options.network not in ("host", "none")
    return resolv_conf(options, _text("/etc/resolv.conf"), listen=place.servers if place else (), private=private,
                       resolved_text=_text(RESOLVED))  # fmt: skip


def rewrite(id: str, options: Options, bundle: str, place: Place) -> None:
    """After a running container's networks have changed: hosts and resolv.conf, in the files that it has bound."""
    name = options.hostname or id[:12]
    texts = {"hosts": hosts(options, name, "", place),
             "resolv.conf": resolver(options, place)}  # fmt: skip
    for file, text in texts.items():
        with open(os.path.join(bundle, file), "w", encoding="utf-8", errors="surrogateescape") as out:
            out.write(text)


def _text(path: str) -> str:
    """A file's text; a host without it has nothing to tell."""
    try:
        return files.read(path)
    except FileNotFoundError:
        return ""
