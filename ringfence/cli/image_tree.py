"""`ringfence image tree`: an image's layers, and what each adds, shadows and wastes."""

from __future__ import annotations

import sys

from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine


def run(engine: Engine, arguments: Arguments) -> int:
    from ringfence.engine import explain_image

    sys.stdout.write(explain_image.tree(engine.explain_image(arguments.operands[0])))
    return 0


VERB = Verb(run, "IMAGE", "Show an image's layers: what each adds, shadows and wastes", (), (1, 1))
