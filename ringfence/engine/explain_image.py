"""explain, of an image: its layers, what each adds, shadows and wastes, and with which images it is shared.

The data: {"image": {...}, "layers": [...], "wasted": [...]}; layers bottom first.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from ringfence.engine import Engine
    from ringfence.images.image import Image

MOST_WASTED = 10
"""As many of the largest hidden files are told."""


def explain_image(engine: Engine, name: str) -> dict[str, Any]:
    """See Engine.explain_image. Reads the layers through."""
    from ringfence.layers.account import Stack
    from ringfence.layers.compression import Decompressor

    image = engine.image_store.get(name)
    stack = Stack()
    for layer in image.layers:
        with engine.content.open(layer.digest) as file:
            stack.add(Decompressor(file))
    shown = {"id": image.id, "digest": image.digest, "names": _familiar(image), "created": image.created,
             "size": stack.size, "wasted": stack.wasted_size}  # fmt: skip
    others = _others(engine, image)
    rows = []
    for number, step in enumerate(_steps(image)):
        account, layer, chain_id = stack.accounts[number], image.layers[number], image.chain_ids[number]
        rows.append({
            "number": number, "chainID": chain_id, "diffID": image.diff_ids[number], "digest": str(layer.digest),
            "stored": layer.size, "size": account.size, "added": account.added, "changed": account.changed,
            "removed": account.removed, "shadows": account.shadows, "wasted": account.wasted,
            "created": step.get("created") or "", "createdBy": step.get("created_by") or "",
            "topOf": others.get(chain_id, {}).get("top", []), "sharedWith": others.get(chain_id, {}).get("all", []),
        })  # fmt: skip
    largest = sorted(stack.wasted, key=lambda each: (-each[0], each[1]))[:MOST_WASTED]
    wasted = [{"path": path, "size": size, "hiddenBy": number} for size, path, number in largest]
    return {"image": shown, "layers": rows, "wasted": wasted}


def text(found: Mapping[str, Any]) -> str:
    """The page for people."""
    return "\n".join(_page(found)) + "\n"


def tree(found: Mapping[str, Any]) -> str:
    """The layers as a tree, as `podman image tree` draws them, with what each adds, shadows and wastes."""
    image = found["image"]
    lines = [f"Image ID: {image['id'].removeprefix('sha256:')[:12]}", f"Tags:     [{' '.join(image['names'])}]",
             f"Size:     {_size(image['size'])}", "Image Layers"]  # fmt: skip
    for row in found["layers"]:
        branch = "└──" if row is found["layers"][-1] else "├──"
        top = f" Top Layer of: [{' '.join(row['topOf'])}]" if row["topOf"] else ""
        lines.append(f"{branch} ID: {_short(row)} Size: {_size(row['size']):>7}  {_changes(row)}{top}")
    return "\n".join(lines) + "\n"


def _page(found: Mapping[str, Any]) -> Iterator[str]:
    image, layers = found["image"], found["layers"]
    names = ", ".join(image["names"]) or "<none>"
    share = f" ({image['wasted'] * 100 // image['size']}%)" if image["wasted"] else ""
    yield f"Image {names} ({image['id'].removeprefix('sha256:')[:12]})"
    yield f"  {len(layers)} layers, {_size(image['size'])} of files, {_size(image['wasted'])}{share} of it wasted"
    yield from ("", "Layers (the topmost first; what a layer shadows of those below is wasted there)")
    for row in reversed(layers):
        yield f"  {row['number']:>2} {_short(row)} {_size(row['size']):>8}  {_changes(row)}"
        yield f"     {' '.join(row['createdBy'].split()) or '(it is not recorded how it was made)'}"
        if row["sharedWith"]:
            yield f"     shared with {', '.join(row['sharedWith'])}"
    if found["wasted"]:
        yield from ("", "Wasted (the largest files that are stored and transferred, and that no container sees)")
        for row in found["wasted"]:
            yield f"  {_size(row['size']):>8}  {row['path']}  hidden by layer {row['hiddenBy']}"


def _changes(row: Mapping[str, Any]) -> str:
    parts = [f"{word} {row[key]}" for word, key in (("adds", "added"), ("changes", "changed"), ("removes", "removed"))
             if row[key]]  # fmt: skip
    last = next((row[key] for key in ("removed", "changed", "added") if row[key]), 0)
    text = ", ".join(parts) + (" file" if last == 1 else " files") if parts else "no files"
    text += f", shadows {_size(row['shadows'])}" if row["shadows"] else ""
    return text + (f", wastes {_size(row['wasted'])}" if row["wasted"] else "")


def _steps(image: Image) -> list[dict[str, Any]]:
    """The steps of the history that made a layer, one for each layer."""
    steps = [step for step in image.config.get("history") or [] if not step.get("empty_layer")]
    count = len(image.layers)
    return (steps + [{}] * count)[:count]


def _others(engine: Engine, image: Image) -> dict[str, dict[str, list[str]]]:
    """By chain ID: the names of all images that have it on top ("top"), and of other images that have it ("all")."""
    found: dict[str, dict[str, list[str]]] = {}
    for other in engine.image_store.list():
        names = _familiar(other) or [other.id.removeprefix("sha256:")[:12]]
        for chain_id in other.chain_ids:
            entry = found.setdefault(chain_id, {"top": [], "all": []})
            if other.id != image.id:
                entry["all"] += names
            if chain_id == other.top:
                entry["top"] += names
    return found


def _familiar(image: Image) -> list[str]:
    from ringfence.oci.reference import Reference

    return [Reference.parse(name).familiar for name in image.names]


def _short(row: Mapping[str, Any]) -> str:
    return str(row["chainID"].removeprefix("sha256:")[:12])


def _size(number: float) -> str:
    from ringfence.engine import stats

    return stats.size(number, stats.DECIMAL, 3)
