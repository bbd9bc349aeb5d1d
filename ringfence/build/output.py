"""What becomes of a finished build: images in the store, a manifest list, files in a directory or a tar, an archive."""

from __future__ import annotations

import os

from ringfence.engine import manifest
from ringfence.errors import InvalidInput
from ringfence.images import changes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import BinaryIO

    from ringfence.build.graph import Build
    from ringfence.build.options import BuildOptions, Output
    from ringfence.engine import Engine
    from ringfence.images.draft import Draft
    from ringfence.images.image import Image

CREATED = "org.opencontainers.image.created"
BASE_NAME = "org.opencontainers.image.base.name"
BASE_DIGEST = "org.opencontainers.image.base.digest"


class Result:
    """What a build for one platform has made."""

    __slots__ = ("build", "draft", "image")

    def __init__(self, build: Build, draft: Draft, image: Image) -> None:
        self.build = build
        self.draft = draft
        self.image = image


def store(engine: Engine, build: Build, draft: Draft, names: Sequence[str]) -> Image:
    """Record the image, with the labels and annotations that were asked for and those of OCI (annotations.md)."""
    if build.options.labels:
        draft.config["Labels"] = {**(draft.config.get("Labels") or {}), **build.options.labels}
    changes.set_env(draft.config, build.options.environment.items())
    draft.config["Env"] = [each for each in draft.config.get("Env") or ()
                           if each.partition("=")[0] not in build.options.unset]  # fmt: skip
    created = next((step["created"] for step in reversed(draft.history) if step.get("created")), "") or build.now()
    name, digest = draft.base
    told = {CREATED: created, BASE_NAME: name, BASE_DIGEST: digest if name else ""}
    annotations = {**{key: value for key, value in told.items() if value}, **build.options.annotations}
    return draft.put(engine.image_store, created, names, annotations)


def write_all(engine: Engine, options: BuildOptions, results: Sequence[Result], names: Sequence[str],
              stdout: BinaryIO | None) -> str:  # fmt: skip
    """Write the results where --output says, under the `names` that the build gave them; returns the digest of the
    image's manifest, or of the manifest list that they become."""
    digest, lists = results[-1].image.digest, []
    if len(results) > 1 or options.manifest:
        lists = [options.manifest] if options.manifest else list(names)
        images = [result.image for result in results]
        for name in lists:
            digest = manifest.keep(engine, name, images, amend=bool(options.manifest))
    for output in options.outputs:
        if output.type == "registry" and lists:
            _push_lists(engine, results[0].build, lists)
            continue
        for result in results:
            if len(results) > 1 and output.type == "local":
                below = str(result.build.platform).replace("/", "_")  # as buildx calls them
                _files(engine, result.draft, os.path.join(output.destination, below))
            else:
                _write(engine, result, output, names, stdout)
    return digest


def _write(engine: Engine, result: Result, output: Output, names: Sequence[str], stdout: BinaryIO | None) -> None:
    if output.type == "registry":
        _push(engine, result.build, result.image, output.name.split(",") if output.name else names)
    elif output.type in ("image", "docker") and not output.destination:
        return
    elif output.type == "local":
        _files(engine, result.draft, output.destination)
    elif output.type == "tar":
        _to(output.destination, stdout, lambda file: _tar(engine, result.draft, file))
    else:
        form = "oci-archive" if output.type == "oci" else "docker-archive"
        names = [output.name] if output.name else [next(iter(result.image.names), result.image.id)]
        _to(output.destination, stdout, lambda file: engine.save(names, file, format=form))


def _push(engine: Engine, build: Build, image: Image, names: Sequence[str]) -> None:
    for name in names:
        engine.tag(image.id, name)
        (pushed,) = engine.push(name)
        build.progress.line(0, f"pushed {name}: digest: {pushed['Digest']}")


def _push_lists(engine: Engine, build: Build, names: Sequence[str]) -> None:
    for name in names:
        build.progress.line(0, f"pushed {name}: digest: {engine.manifest_push(name)}")


def _tar(engine: Engine, draft: Draft, file: BinaryIO) -> None:
    from ringfence.engine import root
    from ringfence.layers.tar_writer import TarWriter
    from ringfence.layers.tree import export

    opened = root.of_layers(engine, draft)
    if opened is None:
        TarWriter(file).close()
        return
    with opened:
        export(opened.fileno(), file)


def _files(engine: Engine, draft: Draft, directory: str) -> None:
    """The files into a directory, over what is there, with the owners and modes that they have in the image."""
    import tempfile

    from ringfence.layers.apply import apply

    os.makedirs(directory, exist_ok=True)
    with tempfile.TemporaryFile(dir=engine.root) as file:
        _tar(engine, draft, file)
        file.seek(0)
        apply(file, directory, "remove")


def _to(destination: str, stdout: BinaryIO | None, make: Callable[[BinaryIO], None]) -> None:
    if destination == "-":
        if stdout is None:
            raise InvalidInput("--output: there is no standard output to write to: name a destination")
        make(stdout)
        stdout.flush()
        return
    if os.path.exists(destination) and not os.path.isfile(destination):
        with open(destination, "wb") as file:
            make(file)
        return
    partial = f"{destination}.partial-{os.getpid()}"
    try:
        with open(partial, "xb") as file:
            make(file)
        os.rename(partial, destination)
    except BaseException:
        if os.path.exists(partial):
            os.unlink(partial)
        raise
