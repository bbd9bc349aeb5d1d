"""WORKDIR: the working directory of what follows, made in the image if it is not there."""

from __future__ import annotations

from ringfence.build.addition import Addition
from ringfence.build.places import Places
from ringfence.images import changes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.build.dockerfile import Instruction
    from ringfence.build.stage import StageBuild
    from ringfence.images.make import Layer


def workdir(stage: StageBuild, instruction: Instruction) -> None:
    """Carry out WORKDIR. A directory that is made is root's."""
    path = stage.expand(instruction, instruction.words[0])
    changes.set_workdir(stage.draft.config, path)
    directory = stage.draft.config["WorkingDir"]
    stage.add_layer(f"WORKDIR {directory}", ["workdir", stage.draft.top, directory], lambda: _make(stage, directory))


def _make(stage: StageBuild, directory: str) -> Layer | None:
    root = stage.root()
    try:
        places = Places(root)
        addition = Addition(places, latest=stage.build.epoch)
        addition.directory(places.resolve(directory), stage.build.now_ns())
        return None if addition.empty else addition.store(stage.engine.content)
    finally:
        if root is not None:
            root.close()
