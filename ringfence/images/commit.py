"""An image from a container: its image's layers, one more for what it changed, and its configuration (`commit`)."""

from __future__ import annotations

from ringfence.images import make
from ringfence.images.changes import apply_changes
from ringfence.images.draft import Draft
from ringfence.images.prune import discarding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from ringfence.images.image import Image
    from ringfence.images.make import Layer
    from ringfence.images.store import ImageStore


def commit(
    store: ImageStore,
    parent: Image,
    diff: Callable[[], Layer],
    *,
    config: Mapping[str, Any] | None = None,
    changes: Sequence[str] = (),
    name: str = "",
    author: str = "",
    message: str = "",
    created_by: str = "",
) -> Image:
    """Store `parent` with the layer that `diff` stores on top.

    `config` replaces members of the parent's "config" (what the container was given: Env, Cmd, ...), then `changes` are
    applied. InvalidInput for a bad name or change, before the layer is made.
    """
    names = make.check_name(name)
    draft = Draft.of(parent)
    draft.config = apply_changes({**draft.config, **(config or {})}, changes)
    draft.author = author
    with discarding(store), store.content.lease():
        layer = diff()
        created = make.now()
        draft.append(layer, {"created": created, "created_by": created_by, "author": author, "comment": message})
        return draft.put(store, created, names)
