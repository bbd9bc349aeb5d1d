"""`ringfence update`: change limits, published ports, mounts or restart policy of containers, running ones too."""

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
    Flag("mount-add", "Mount a further path or volume (type=bind|volume,source=…,target=…)", kind="list",
         metavar="mount"),
    Flag("volume-add", "Mount a further path or volume (SOURCE:TARGET[:OPTIONS])", kind="list"),
    Flag("mount-rm", "Take away the mount at this path", kind="list"),
)  # fmt: skip


def run(engine: Engine, arguments: Arguments) -> int:
    from ringfence.engine import mount, options, publish

    limits = arguments.options(*(flag.name for flag in FLAGS))
    ports = {"publish_add": arguments.many("publish-add"), "publish_rm": arguments.many("publish-rm")}
    options.resource_options(limits)  # a wrong value is told once, not for every container
    publish.parse(*ports.values())
    mounts = {word: arguments.many(word.replace("_", "-")) for word in (*mount.ADDED, mount.REMOVED)}
    mount.parse(dict(mounts))

    def change(name: str) -> None:
        for warning in engine.update(name, **limits, **ports, **mounts):
            sys.stderr.write(f"WARNING: {warning}\n")

    return each(arguments.operands, change)


VERB = Verb(run, "[OPTIONS] CONTAINER [CONTAINER...]", "Change limits of one or more containers",
            (*run_options.flags(lambda option: option.update), *FLAGS), (1, MANY), refusal=BAD_FLAG)  # fmt: skip
