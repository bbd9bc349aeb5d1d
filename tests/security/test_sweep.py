"""Every file of /proc and /sys in a container as people run it: what can be written, and what tells of the host."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringfence import Engine
from tests.podman import Podman, on_tree_of_the_host_image

# What docker covers (moby, daemon/pkg/oci/defaults.go, MaskedPaths and ReadonlyPaths), where the kernel has it.
MASKED = [
    "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug",
    "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware",
]  # fmt: skip
# May be opened for writing, as everywhere: whoever does only asks to be told of pressure (kernel: accounting/psi.rst).
HARMLESS = ("/proc/pressure/",)


@pytest.fixture(scope="module")
def podman(host_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    with on_tree_of_the_host_image(host_root, tmp_path_factory.mktemp("podman")) as made:
        yield made


def told(output: str) -> tuple[set[str], set[str]]:
    """The files that can be written, and those that can be read."""
    lines = [line.split(" ", 1) for line in output.splitlines()]
    return {path for word, path in lines if word == "writes"}, {path for word, path in lines if word == "reads"}


def test_nothing_that_steers_the_host_can_be_written_and_nothing_more_read_than_under_podman(
    short_directory: Path, engine: Engine, podman: Podman, attacks: Path
) -> None:
    shutil.copy(attacks, short_directory / "attacks")
    volume = f"{short_directory}/attacks:/attacks:ro"
    ours = engine.run("host", ["/attacks", "sweep"], network="none", rm=True, volume=[volume])
    assert ours.exit_code == 0, ours.stderr
    written, read = told(ours.stdout.decode())
    their_written, their_read = told(podman.run("-v", volume, script="/attacks sweep"))

    assert len(read) > 200, "it has looked"
    assert [path for path in sorted(written) if not path.startswith(HARMLESS)] == []
    assert written <= their_written
    masked = tuple(f"{path}/" for path in MASKED)
    assert [path for path in sorted(read) if path in MASKED or path.startswith(masked)] == []
    # each has cgroups of its own: of those only the names of the files are compared
    cgroups = "/sys/fs/cgroup/"
    more = {path for path in read - their_read if not path.startswith(cgroups)}
    assert sorted(more) == []
    assert {Path(path).name for path in read if path.startswith(cgroups)} <= {
        file.name for file in Path(cgroups).rglob("*") if file.is_file()
    }
