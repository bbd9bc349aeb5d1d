"""`ringfence port`: where the ports of a container are published."""

from __future__ import annotations

from ringfence.cli.verb import Verb
from ringfence.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine


def run(engine: Engine, arguments: Arguments) -> int:
    name, *asked = arguments.operands
    wanted = (asked[0] if "/" in asked[0] else f"{asked[0]}/tcp") if asked else ""
    found = engine.port(name)
    if wanted and wanted not in found:
        raise NotFound(f"no public port {wanted} of container {name}")
    for port in [wanted] if wanted else found:
        for binding in found[port]:
            ip = f"[{binding['HostIp']}]" if ":" in binding["HostIp"] else binding["HostIp"]
            print(f"{ip}:{binding['HostPort']}" if wanted else f"{port} -> {ip}:{binding['HostPort']}")
    return 0


VERB = Verb(run, "CONTAINER [PORT[/PROTOCOL]]", "Show where the ports of a container are published", (), (1, 2))
