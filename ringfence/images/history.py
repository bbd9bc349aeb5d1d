"""The history of an image: how each layer came to be, newest first."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.images.image import Image
    from ringfence.images.store import ImageStore

MISSING = "<missing>"  # docker's word for the ID of a step that is no image here


def history(store: ImageStore, image: Image) -> list[dict[str, Any]]:
    """Rows with `Id`, `Created` (RFC 3339 or ""), `CreatedBy`, `Size` (bytes without compression), `Comment`, `Tags`.

    An image config may tell less steps than the image has layers, or none: each layer that is left has a row, too.
    """
    layers = [layer.digest for layer in image.layers]
    rows = []
    for step in image.config.get("history") or []:
        empty = step.get("empty_layer") or not layers
        rows.append(_row(step, 0 if empty else store.layer_size(layers.pop(0))))
    rows += [_row({}, store.layer_size(layer)) for layer in layers]
    if not rows:
        rows.append(_row({"created": image.created}, 0))
    rows[-1]["Id"] = image.id
    rows[-1]["Tags"] = list(image.names)
    return rows[::-1]


def _row(step: dict[str, Any], size: int) -> dict[str, Any]:
    return {
        "Id": MISSING,
        "Created": step.get("created") or "",
        "CreatedBy": step.get("created_by") or "",
        "Size": size,
        "Comment": step.get("comment") or "",
        "Tags": [],
    }
