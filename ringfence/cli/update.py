"""`ringfence update`: change limits, published ports or the restart policy of containers, running ones too."""

from __future__ import annotations

import sys

from ringfence.cli import run_options
from ringfence.cli.each import each
from ringfence.cli.exitcodes import BAD_FLAG
from ringfence.cli.parser import Flag
from ringfence.cli.verb import MANY, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine


FLAGS = (
    Flag("publish-add", "Publish a further port ([[ADDRESS:]HOST_PORT:]PORT[/PROTOCOL])", kind="list"),
    Flag("publish-rm", "Publish a port no longer (as it was published, or PORT[/PROTOCOL] alone)", kind="list"),
)


def run(engine: Engine, arguments: Arguments) -> int:
    from ringfence.engine import options, publish

    limits = arguments.options("publish-add", "publish-rm")
    ports = {"publish_add": arguments.many("publish-add"), "publish_rm": arguments.many("publish-rm")}
    options.resource_options(limits)  # a wrong value is told once, not for every container
    publish.parse(*ports.values())

    def change(name: str) -> None:
        for warning in engine.update(name, **limits, **ports):
            sys.stderr.write(f"WARNING: {warning}\n")

    return each(arguments.operands, change)


VERB = Verb(run, "[OPTIONS] CONTAINER [CONTAINER...]", "Change limits of one or more containers",
            (*run_options.flags(lambda option: option.update), *FLAGS), (1, MANY), refusal=BAD_FLAG)  # fmt: skip
