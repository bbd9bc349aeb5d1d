"""Building images from Dockerfiles: from the text to stages, from stages to layers, on the engine's own containers.

Docker's "Dockerfile reference" is what is understood, docker's and podman's `build` what is offered. `build` is the
library's front door; each instruction is carried out in the module of its subject (copy, run, settings, workdir).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

    from ringfence.build.progress import Write
    from ringfence.engine import Engine


class Built:
    """What was built: the image ID "sha256:…", the manifest's digest, and the image's names as people write them."""

    __slots__ = ("digest", "id", "names")

    def __init__(self, id: str, digest: str, names: list[str]) -> None:
        self.id = id
        self.digest = digest
        self.names = names

    def __repr__(self) -> str:
        return f"Built({self.id!r}, {self.names!r})"


def build(
    engine: Engine,
    context: str = ".",
    *,
    file: str = "",
    stdin: BinaryIO | None = None,
    stdout: BinaryIO | None = None,
    write: Write | None = None,
    environ: Mapping[str, str] | None = None,
    **options: object,
) -> Built:
    """Build an image from the directory `context` (or the URL of a tar archive; "-": what `stdin` has).

    `file` is the Dockerfile ("-": on `stdin`). `write` is given the progress as lines of bytes. `options` are the flags
    of `ringfence build` in snake case: tag, target, build_arg, secret, ssh, platform, cache_from, cache_to, no_cache,
    squash, output, push, label, annotation, network, pull, build_context, allow, source_date_epoch, and of `run`:
    add_host, ulimit, memory, shm_size, …

    RunFailed (with `exit_code`) if a RUN step's program fails; InvalidInput quotes the line that is wrong.
    """
    from functools import partial

    from ringfence.build import cache_places, output, transfer
    from ringfence.build.context import Context
    from ringfence.build.dockerfile import Dockerfile
    from ringfence.build.graph import Build
    from ringfence.build.options import BuildOptions
    from ringfence.engine import events, scratch
    from ringfence.images import make
    from ringfence.oci.reference import Reference

    checked = BuildOptions(options, environ)
    names = [name for tag in checked.tags for name in make.check_name(tag)]
    familiar = [Reference.parse(name).familiar for name in names]
    for directory in (engine.root, engine.state):
        scratch.sweep(directory)
    with engine.content.lease(), Context(engine, context, stdin, file) as opened:
        work = Build(engine, Dockerfile(opened.dockerfile, opened.file), opened, checked, write)
        for cache in checked.cache_from:
            with cache_places.opened(engine, cache, partial(work.progress.line, 0)) as place:
                transfer.read(engine, place)
        draft = work.carry_out()
        if checked.squash:
            from ringfence.build.squash import squash

            draft = squash(engine, work, draft)
        image = output.store(engine, work, draft, names)
        for cache in checked.cache_to:
            with cache_places.opened(engine, cache, partial(work.progress.line, 0)) as place:
                transfer.write(engine, place, work.used_keys)
        for each in checked.outputs:
            output.write(engine, work, draft, each, image, familiar, stdout)
    for name in familiar:
        work.progress.line(0, f"tagged {name}")
    events.emit(engine, "image", "build", image.id, {"name": familiar[0] if familiar else image.id})
    return Built(image.id, image.digest, familiar)
