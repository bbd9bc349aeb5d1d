"""--squash: one layer instead of all that a build has added to its base."""

from __future__ import annotations

import os
import stat

from ringfence.engine import root as roots
from ringfence.images.make import Layer
from ringfence.layers.directories import Climber, open_root
from ringfence.layers.lower import Lower
from ringfence.layers.tar import Member
from ringfence.layers.tar_reader import TarReader
from ringfence.layers.tar_writer import TarWriter
from ringfence.layers.tree import TreeWriter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ringfence.build.graph import Build
    from ringfence.content.store import ContentStore
    from ringfence.engine import Engine
    from ringfence.images.draft import Draft
    from ringfence.linux.paths import Root
    from ringfence.oci.image_spec import Descriptor


def squash(engine: Engine, build: Build, draft: Draft) -> Draft:
    """A draft with the same tree and config, on the base's layers and one more. The history keeps all steps."""
    base = draft.beginning()
    if len(draft.layers) <= len(base.layers) + 1:
        return draft
    touched = _touched(engine.content, draft.layers[len(base.layers) :])
    below, merged = roots.of_layers(engine, base), roots.of_layers(engine, draft)
    assert merged is not None
    try:
        with engine.content.writing() as out:
            _write(TreeWriter(TarWriter(out)), touched, merged, below)
    finally:
        merged.close()
        if below is not None:
            below.close()
    engine.image_store.know_layer(out.blob)
    squashed = base.copy()
    squashed.config, squashed.author, squashed.base = draft.config, draft.author, draft.base
    for step in draft.history[len(base.history) :]:
        squashed.append(None, step)
    squashed.append(Layer.uncompressed(out.blob), {"created": build.now(), "comment": "squashed"})
    return squashed


def _touched(content: ContentStore, layers: Sequence[Descriptor]) -> dict[bytes, bool]:
    """The paths that the layers' tars name: True for those that some layer deletes."""
    found: dict[bytes, bool] = {}
    for layer in layers:
        with content.open(layer.digest) as file:
            for member in TarReader(file):
                directory, _, name = (b"/" + member.name.strip(b"/")).rpartition(b"/")
                deleted = name.startswith(b".wh.")
                path = directory + b"/" + name.removeprefix(b".wh.")
                found[path] = found.get(path, False) or deleted
    return found


def _write(writer: TreeWriter, touched: dict[bytes, bool], merged: Root, below: Root | None) -> None:
    now = Lower([f"/proc/self/fd/{merged.fileno():d}"])
    before = Lower([] if below is None else [f"/proc/self/fd/{below.fileno():d}"])
    gone = {path for path in touched if touched[path] for path in _gone(path, now, before)}
    with open_root(merged.fileno()) as root:
        climber = Climber(root)
        try:
            for path in sorted({*gone, *touched}):
                directory, _, name = path.rpartition(b"/")
                if path in gone:
                    writer.tar.add(Member((directory + b"/.wh." + name)[1:]))
                elif parent := climber.reach(directory):
                    with parent:
                        writer.add_entry(parent, name, path[1:])
        finally:
            climber.close()
            now.close()
            before.close()
    writer.close()


def _gone(path: bytes, now: Lower, before: Lower) -> Iterator[bytes]:
    """What the base has at or below a path that some layer deletes, and the result has not."""
    was, is_ = before.stat(path), now.stat(path)
    if was is None:
        return
    if is_ is None:
        if now.stat(os.path.dirname(path) or b"/.") is not None:
            yield path
    elif stat.S_ISDIR(was.st_mode) and stat.S_ISDIR(is_.st_mode):
        for name in before.names(path):
            yield from _gone(path + b"/" + name, now, before)
