"""`ringfence logout`: forget what `login` kept."""

from __future__ import annotations

from ringfence.cli import access
from ringfence.cli.parser import Flag
from ringfence.cli.verb import Verb
from ringfence.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("all", "Forget the credentials of all registries", "a"),
    *(flag for flag in access.FLAGS if flag.name == "authfile"),
)


def run(engine: Engine, arguments: Arguments) -> int:
    from ringfence.engine import login

    chosen = access.of(arguments)
    hosts = [login.host_of(arguments.operands[0] if arguments.operands else "")]
    if arguments.on("all"):
        hosts = login.hosts(engine, chosen)
    for host in hosts:
        if not engine.logout(host, **chosen) and not arguments.on("all"):
            raise NotFound(f"not logged in to {host}")
        print(f"Removing login credentials for {host}")
    return 0


VERB = Verb(run, "[OPTIONS] [REGISTRY]", "Log out from a registry (docker.io if none is named)", FLAGS, (0, 1))
