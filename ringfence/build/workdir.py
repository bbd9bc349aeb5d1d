"""WORKDIR: the working directory of what follows, made in the image if it is not there."""

from __future__ import annotations

from ringfence.build import owners
from ringfence.build.addition import Addition
from ringfence.build.places import Places
from ringfence.errors import InvalidInput
from ringfence.images import changes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.build.dockerfile import Instruction
    from ringfence.build.stage import StageBuild
    from ringfence.images.make import Layer
    from ringfence.linux.paths import Root


def workdir(stage: StageBuild, instruction: Instruction) -> None:
    """Carry out WORKDIR. Directories that are made are the user's, as docker's and podman's are."""
    path = stage.expand(instruction, instruction.words[0])
    changes.set_workdir(stage.draft.config, path)
    directory = stage.draft.config["WorkingDir"]
    user = stage.draft.config.get("User") or "0"
    key = ["workdir", stage.draft.top, directory, user]
    stage.add_layer(f"WORKDIR {directory}", key, lambda: _make(stage, directory, user))


def _make(stage: StageBuild, directory: str, user: str) -> Layer | None:
    root = stage.root()
    try:
        places = Places(root)
        addition = Addition(places, _owner(root, user), stage.build.epoch)
        addition.directory(places.resolve(directory), stage.build.now_ns())
        return None if addition.empty else addition.store(stage.engine.content)
    finally:
        if root is not None:
            root.close()


def _owner(root: Root | None, user: str) -> tuple[int, int]:
    """Root, if the image does not know the user, whom nothing but a RUN needs then."""
    if numbers := owners.by_number(user):
        return numbers
    try:
        return owners.by_name(root, user) if root is not None else (0, 0)
    except InvalidInput:
        return 0, 0
