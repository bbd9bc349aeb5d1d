"""`ringfence version`: the versions of Ringfence and of what it stands on."""

from __future__ import annotations

from ringfence.cli.info import FLAGS, show
from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine


def run(engine: Engine, arguments: Arguments) -> int:
    found = engine.version()
    source = arguments.text("format")
    # docker's client nests: scripts ask for {{.Server.Version}} and {{.Client.Version}}, which are one program here
    return show({"Client": found, "Server": found} if source else found, source)


VERB = Verb(run, "[OPTIONS]", "Show versions", FLAGS)
