"""`ringfence manifest annotate`: what an image of a list is for."""

from __future__ import annotations

from ringfence.cli.parser import Flag, UsageError
from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("annotation", "Add an annotation to the image's entry (KEY=VALUE)", kind="list"),
    Flag("arch", "Its architecture", kind="value"),
    Flag("os", "Its operating system", kind="value"),
    Flag("os-features", "A feature that it needs of the operating system", kind="list"),
    Flag("os-version", "The version of the operating system", kind="value"),
    Flag("variant", "The variant of its architecture", kind="value"),
)
_MEMBERS = {"arch": "architecture", "os": "os", "os-version": "os.version", "variant": "variant"}


def run(engine: Engine, arguments: Arguments) -> int:
    name, image = arguments.operands
    engine.manifest_annotate(name, image, **told(arguments))
    return 0


def told(arguments: Arguments) -> dict[str, Any]:
    """What the flags say of an image's platform, and its annotations."""
    platform: dict[str, object] = {
        member: arguments.text(flag) for flag, member in _MEMBERS.items() if flag in arguments.given
    }
    if features := arguments.many("os-features"):
        platform["os.features"] = features
    annotations = {}
    for entry in arguments.many("annotation"):
        key, equals, value = entry.partition("=")
        if not key or not equals:
            raise UsageError(f'--annotation: "{entry}" is not of the form KEY=VALUE')
        annotations[key] = value
    return {"platform": platform, "annotations": annotations}


VERB = Verb(run, "[OPTIONS] LIST IMAGE", "Say otherwise what an image of a list is for", FLAGS, (2, 2))
