"""`ringfence diff`: what a container changed in its image's tree."""

from __future__ import annotations

import os
import sys

from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

LETTERS = "CAD"  # by docker's numbers: changed, added, deleted


def run(engine: Engine, arguments: Arguments) -> int:
    sys.stdout.flush()
    for change in engine.diff(arguments.operands[0]):
        # names of files are bytes: printed as they are, whatever the locale's encoding
        sys.stdout.buffer.write(f"{LETTERS[change['Kind']]} ".encode() + os.fsencode(change["Path"]) + b"\n")
    return 0


VERB = Verb(run, "CONTAINER", "List what a container added (A), changed (C) and deleted (D)", operands=(1, 1))
