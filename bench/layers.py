"""Unpacking: an image's layers become snapshots, beside `igzip -dc | tar x` of all of them at once."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from bench.measure import Candidate, Failure, Timing, take_turns
from ringfence import Engine
from ringfence.images.draft import Draft
from ringfence.images.image import Image
from ringfence.images.make import store_layer
from ringfence.images.unpack import unpack
from ringfence.oci.platform import Platform

LAYERS = 7
FILES, DIRECTORIES = 2200, 40  # of each layer


class Layers:
    """An image of seven layers of 2200 files each, `size` bytes in all, that compress to half; gzip, as images are."""

    def __init__(self, directory: Path, size: int) -> None:
        self.directory = directory
        directory.mkdir()
        self.blobs = []
        for number in range(LAYERS):
            blob = directory / f"{number}.tar.gz"
            with tarfile.open(blob, "w:gz", compresslevel=1) as layer:
                part = f"usr/lib/part{number}"
                for name in ("usr", "usr/lib", part, *(f"{part}/{place}" for place in range(DIRECTORIES))):
                    entry = tarfile.TarInfo(name)
                    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                    layer.addfile(entry)
                for name, content in _files(number, size // LAYERS):
                    entry = tarfile.TarInfo(name)
                    entry.size, entry.mode = len(content), 0o644
                    layer.addfile(entry, BytesIO(content))
            self.blobs.append(blob)

    def image(self, engine: Engine) -> Image:
        """The image, stored and not unpacked."""
        draft = Draft.scratch(Platform.host())
        with engine.content.lease():
            for blob in self.blobs:
                with open(blob, "rb") as file:
                    draft.append(store_layer(engine.image_store, file), {})
            return draft.put(engine.image_store, "2026-01-01T00:00:00Z", ["localhost/ringfence-bench:layers"])


def unpacks(layers: Layers, engine: Engine, rounds: int) -> list[Timing]:
    """Each turn in a place of its own: ext4 is slow to make files soon after many were removed."""
    if not (shutil.which("igzip") and shutil.which("tar")):
        return []
    image = layers.image(engine)
    turns = itertools.count()

    def ours() -> None:
        snapshots = os.path.join(engine.root, "snapshots")
        if os.path.exists(snapshots):
            os.rename(snapshots, layers.directory / f"snapshots{next(turns)}")
        unpack(image, engine.content, engine.snapshots)

    def theirs() -> None:
        place = layers.directory / f"out{next(turns)}"
        running = []
        for blob in layers.blobs:
            target = place / blob.name
            target.mkdir(parents=True)
            command = 'igzip -dc "$1" | tar x -C "$2"'
            running.append(subprocess.Popen(["sh", "-c", command, "sh", str(blob), str(target)]))
        codes = [process.wait() for process in running]
        if any(codes):
            raise Failure("igzip -dc | tar x failed")

    return take_turns([Candidate("library unpack", ours), Candidate("igzip -dc | tar x", theirs)], rounds)


def _files(number: int, size: int) -> Iterator[tuple[str, bytes]]:
    """Most files are small, few are large; the same ones each time."""
    generator = random.Random(number)
    weights = [generator.paretovariate(1.2) for _ in range(FILES)]
    for place, weight in enumerate(weights):
        length = int(size * weight / sum(weights))
        yield f"usr/lib/part{number}/{place % DIRECTORIES}/{place}", generator.randbytes(length // 2).hex().encode()
