"""Images from a docker archive, an OCI archive or an OCI image layout (`load`), compressed or not."""

from __future__ import annotations

import os

from ringfence.errors import Denied, Failed, InvalidInput, NotFound
from ringfence.images.docker_archive import is_docker_archive, read_docker_archive
from ringfence.images.layout import is_layout, read_layout
from ringfence.images.prune import discarding
from ringfence.images.tree import ArchiveTree, DirectoryTree
from ringfence.oci.platform import Platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.images.store import ImageStore
    from ringfence.images.tree import Tree
    from ringfence.oci.digest import Source
    from ringfence.oci.image_spec import Descriptor

    Images = list[tuple[Descriptor, list[str]]]


def load(
    store: ImageStore,
    source: str | os.PathLike[str] | Source,
    *,
    platform: Platform | None = None,
    base: str = "",
    subject: str = "archive",
) -> list[str]:
    """Store all images of `source`: the path of an archive or directory, or an open archive (a pipe will do).

    Returns their names, canonical, or the image ID of one that has none. All are recorded or none is; the error tells
    what is wrong with which file, and what was stored goes away. `base` is the name that an image gets to which an OCI
    layout gives a tag only; `subject` is what an open archive is called in messages.
    """
    with discarding(store), store.content.lease():
        if isinstance(source, str | os.PathLike):
            images = _load_path(store, os.fspath(source), platform or Platform.host(), base)
        else:
            images = _load_archive(store, source, subject, platform or Platform.host(), base)
        recorded = store.put_all(images)
    loaded: list[str] = []
    for image, (_, names) in zip(recorded, images, strict=True):
        loaded += names or [image.id]
    return loaded


def _load_path(store: ImageStore, path: str, platform: Platform, base: str) -> Images:
    if os.path.isdir(path):
        return _load_tree(store, DirectoryTree(store.content, path), platform, base)
    try:
        with open(path, "rb") as file:
            return _load_archive(store, file, path, platform, base)
    except FileNotFoundError:
        raise NotFound(f"no such file: {path}") from None
    except PermissionError as error:
        raise Denied(f"{path}: {error.strerror}") from None
    except OSError as error:
        raise Failed(f"{path}: {error.strerror}", errno=error.errno or 0) from None


def _load_archive(store: ImageStore, file: Source, subject: str, platform: Platform, base: str) -> Images:
    from ringfence.layers.compression import Decompressor

    return _load_tree(store, ArchiveTree(store.content, Decompressor(file), subject), platform, base)


def _load_tree(store: ImageStore, tree: Tree, platform: Platform, base: str) -> Images:
    """An archive may be both, as docker's and ours are: then the OCI layout is read, whose digests are final."""
    if is_layout(tree):
        images = read_layout(tree, store.content, platform, base)
    elif is_docker_archive(tree):
        images = read_docker_archive(tree, store)
    else:
        raise InvalidInput(f"{tree.subject}: is neither a docker archive nor an OCI image layout")
    if not images:
        raise InvalidInput(f"{tree.subject}: holds no image")
    return images
