"""An image from a container: its image's layers, one more for what it changed, and its configuration (`commit`)."""

from __future__ import annotations

from ringfence.images import make
from ringfence.images.changes import apply_changes
from ringfence.images.prune import discarding
from ringfence.oci.image_spec import LAYERS, Descriptor, oci_layer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ringfence.images.image import Image
    from ringfence.images.store import ImageStore
    from ringfence.oci.digest import Source

# What describes the machine that the image is for; the rest of an image config is about how it was made.
_KEPT = ("architecture", "os", "variant", "os.version", "os.features")


def commit(
    store: ImageStore,
    parent: Image,
    diff: Source,
    *,
    config: Mapping[str, Any] | None = None,
    changes: Sequence[str] = (),
    name: str = "",
    author: str = "",
    message: str = "",
    created_by: str = "",
) -> Image:
    """Store `parent` with the layer `diff` (a tar, as layers.diff writes it) on top.

    `config` replaces members of the parent's "config" (what the container was given: Env, Cmd, ...), then `changes` are
    applied. InvalidInput for a bad name or change, before the stream is read.
    """
    names = make.check_name(name)
    inherited = {**(parent.config.get("config") or {}), **(config or {})}
    changed = apply_changes(inherited, changes)
    with discarding(store), store.content.lease():
        layer, diff_id = make.store_layer(store, diff)
        created = make.now()
        step = {"created": created, "created_by": created_by, "author": author, "comment": message}
        document = {
            "created": created,
            **({"author": author} if author else {}),
            **{key: parent.config[key] for key in _KEPT if key in parent.config},
            "config": changed,
            "rootfs": {"type": "layers", "diff_ids": [*parent.diff_ids, diff_id]},
            "history": [*_history(parent), {key: value for key, value in step.items() if value}],
        }
        return make.put_image(store, document, [*map(_in_oci_words, parent.layers), layer], names)


def _history(parent: Image) -> list[dict[str, Any]]:
    """The parent's history with a step for every layer: some readers refuse an image whose history tells less."""
    steps = list(parent.config.get("history") or [])
    told = sum(not step.get("empty_layer") for step in steps)
    return steps + [{"comment": "not recorded"}] * (len(parent.layers) - told)


def _in_oci_words(layer: Descriptor) -> Descriptor:
    """The same blob under OCI's media type: a manifest has one kind."""
    return Descriptor(oci_layer(LAYERS[layer.media_type or oci_layer("")]), layer.digest, layer.size)
