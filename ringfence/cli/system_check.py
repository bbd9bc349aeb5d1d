"""`ringfence system check`: whether what is stored is still what it was, and mending it."""

from __future__ import annotations

import sys

from ringfence.cli import exitcodes, units
from ringfence.cli.parser import Flag
from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("quick", "Compare no content, only that everything is there", "q"),
    Flag("repair", "Unpack damaged layers again, remove damaged blobs with their images, and what nobody needs", "r"),
)


def run(engine: Engine, arguments: Arguments) -> int:
    found = engine.system_check(repair=arguments.on("repair"), quick=arguments.on("quick"))
    left = 0
    for problem in found["Problems"]:
        done = f" ({problem['Repaired']})" if problem["Repaired"] else ""
        left += not done
        sys.stdout.write(f"{problem['Kind']} {problem['Name']}: {problem['Why']}{done}\n")
    checked = ", ".join(f"{count} {kind}" for kind, count in found["Checked"].items())
    count = len(found["Problems"])
    told = f"{count} problem{'s' * (count != 1)}" if count else "no problems"
    sys.stdout.write(f"{checked}: {told}{f', {left} left' if count and arguments.on('repair') else ''}\n")
    if arguments.on("repair"):
        sys.stdout.write(f"Total reclaimed space: {units.size(found['SpaceReclaimed'])}\n")
    return exitcodes.FAILED if left else 0


VERB = Verb(run, "[OPTIONS]", "Compare all that is stored with its digests, and mend it", FLAGS)
