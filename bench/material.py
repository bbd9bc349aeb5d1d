"""What the containers are made of: a static program, bundles for OCI runtimes, two images that all engines load."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import os
import platform
import random
import subprocess
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ringfence.engine import seccomp
from ringfence.oci.default_spec import default_spec

TRUE = ["/bin/true"]
PAUSE = ["/bin/pause", f"ringfence-bench-{os.getpid()}"]  # the second word is only to be found by in /proc
MIB = 1 << 20
SMALL, LARGE = "localhost/ringfence-bench:small", "localhost/ringfence-bench:large"
_CAPABILITIES = {"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"}


class Material:
    """All of it, made below `directory`. `large_size` is the large image's size in bytes; the small one has 5 MB."""

    def __init__(self, directory: Path, large_size: int) -> None:
        self.rootfs = directory / "rootfs"
        self.large_size = large_size
        program = self.rootfs / "bin/true"
        program.parent.mkdir(parents=True)
        source = Path(__file__).with_name("box.c")
        subprocess.run(["cc", "-O2", "-s", "-static", "-o", program, source], check=True)
        os.link(program, program.with_name("pause"))
        names = ("true", "pause", "true, seccomp", "pause, seccomp")
        self.bundles = {name: directory / f"bundle-{name}" for name in names}
        for name, bundle in self.bundles.items():
            bundle.mkdir()
            spec = self._spec(PAUSE if name.startswith("pause") else TRUE)
            if name.endswith("seccomp"):
                kernel = tuple(int(part) for part in platform.release().split(".")[:2])
                profile = seccomp.default(frozenset(_CAPABILITIES), platform.machine(), (kernel[0], kernel[1]))
                spec["linux"]["seccomp"] = profile
            (bundle / "config.json").write_text(json.dumps(spec))
        self.archives = {
            SMALL: self._archive(directory / "small.tar", SMALL, [5 * MIB - program.stat().st_size]),
            LARGE: self._archive(directory / "large.tar", LARGE, [large_size // 4] * 4),
        }

    def _spec(self, argv: list[str]) -> dict[str, Any]:
        """The spec that `runc spec` writes, without a terminal."""
        spec = copy.deepcopy(default_spec(False))
        spec["ociVersion"] = "1.0.2"  # Debian's runtimes know this one
        spec["process"] |= {"terminal": False, "args": argv}
        spec["root"] = {"path": str(self.rootfs), "readonly": False}
        return spec

    def _archive(self, path: Path, name: str, fillings: list[int]) -> Path:
        """A docker-archive: a layer with the program, and one of incompressible files for each of `fillings` bytes."""
        layers = [path.with_suffix(f".layer{number}") for number in range(len(fillings) + 1)]
        programs = sorted((self.rootfs / "bin").iterdir())
        diff_ids = [_layer(layers[0], ((f"bin/{program.name}", program.read_bytes()) for program in programs))]
        for layer, size in zip(layers[1:], fillings, strict=True):
            diff_ids.append(_layer(layer, _filling(layer.suffix, size)))
        config = {
            "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
            "os": "linux",
            "created": "2026-01-01T00:00:00Z",
            "config": {"Cmd": TRUE, "Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": [{"created": "2026-01-01T00:00:00Z", "created_by": layer.suffix} for layer in layers],
        }
        manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": [layer.name for layer in layers]}]
        with tarfile.open(path, "w") as archive:
            _add(archive, "config.json", json.dumps(config).encode())
            for layer in layers:
                archive.add(layer, layer.name)
                layer.unlink()
            _add(archive, "manifest.json", json.dumps(manifest).encode())
        return path


def _filling(name: str, size: int) -> Iterator[tuple[str, bytes]]:
    """`size` bytes that do not compress, in files of at most 8 MiB; the same ones each time."""
    generator = random.Random(name)
    for number, start in enumerate(range(0, size, 8 * MIB)):
        yield f"data{name}/{number}", generator.randbytes(min(8 * MIB, size - start))


def _layer(path: Path, files: Iterable[tuple[str, bytes]]) -> str:
    """Write the layer; returns its diff ID."""
    with tarfile.open(path, "w") as layer:
        for name, content in files:
            _add(layer, name, content, mode=0o755)
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))
