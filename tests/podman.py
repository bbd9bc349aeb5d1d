"""Podman as a peer: with a storage of its own, on a tree of the host image, so that both run the same programs.

Debian's podman runs with runc here, for crun 1.8.1 refuses this machine's hybrid cgroups.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests import needs

ULIMITS = ["--ulimit", "nofile=10000:10000", "--ulimit", "nproc=10000:10000"]  # it asks for more than a root may have
LIMITS = [*ULIMITS, "--network", "none"]


class Podman:
    """Podman with a storage of its own, on a tree of the host image."""

    def __init__(self, directory: Path, tree: Path) -> None:
        self.storage = ["podman", f"--root={directory}/storage", f"--runroot={directory}/run", "--runtime=runc"]
        self.directory = directory
        self.tree = tree

    def command(self, *words: str, machine: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Any command of podman's, to its end; `machine`: the words before it that prepare the machine for it alone."""
        argv = [*machine, *self.storage, *words]
        return subprocess.run(
            argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, cwd=self.directory
        )  # conmon leaves a file `oom` where it is when memory runs out

    def run(self, *flags: str, script: str) -> str:
        argv = [*self.storage, "run", "--rm", *LIMITS, *flags, "--rootfs", str(self.tree), "sh", "-c", script]
        return str(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)

    def spec(self, *flags: str) -> dict[str, Any]:
        """The config.json that `podman create` with these flags leads to."""
        argv = [*self.storage, "create", *LIMITS, *flags, "--rootfs", str(self.tree), "sh"]
        id = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()
        try:
            subprocess.run([*self.storage, "init", id], check=True, capture_output=True)
            (path,) = self.directory.glob(f"storage/*/{id}/userdata/config.json")
            return json.loads(path.read_text())  # type: ignore[no-any-return]
        finally:
            subprocess.run([*self.storage, "rm", "-f", id], check=True, capture_output=True)


@contextmanager
def on_tree_of_the_host_image(host_root: Path, directory: Path) -> Iterator[Podman]:
    """Podman in `directory`; at the end what it mounted and its cgroups are gone."""
    needs.root()
    needs.program("podman", "runc")
    from ringfence import Engine

    with Engine(root=str(host_root), state=str(host_root.parent / "state")) as engine:
        layer = engine.snapshots.layer_path(engine.image_store.get("host").chain_ids[-1])
    subprocess.run(["cp", "-a", "-T", layer, directory / "tree"], check=True)
    before = _cgroups()
    made = Podman(directory, directory / "tree")
    made.run(script="true")  # makes podman's own cgroups before any test counts them
    yield made
    subprocess.run(["umount", "--lazy", directory / "storage/overlay"], check=False, capture_output=True)
    for cgroup in sorted(_cgroups() - before, reverse=True):
        cgroup.rmdir()


def _cgroups() -> set[Path]:
    """The cgroups that podman and its monitors keep when their containers are gone."""
    cgroups = Path("/sys/fs/cgroup")
    return {*cgroups.glob("*/libpod_parent"), *cgroups.glob("*/libpod_parent/conmon")}
