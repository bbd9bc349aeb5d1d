"""Attacks on the places where a container's file systems and devices are mounted: the tree is the attacker's."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from ringfence.errors import Failed, RingfenceError
from ringfence.runtime.native import OciRuntime
from tests.bundles import Bundle, exec_in
from tests.runtime.monitored import eventually


def replace_by_link(bundle: Bundle, path: str, target: str | Path) -> None:
    place = bundle.rootfs / path
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    elif place.exists():
        place.unlink()
    place.symlink_to(target)


@pytest.mark.parametrize("place", ["proc", "sys"])
def test_a_link_in_the_place_of_proc_or_sys_is_refused(bundle: Bundle, runtime: OciRuntime, place: str) -> None:
    """CVE-2019-19921, CVE-2023-27561: a link would put the real one elsewhere and let the image fake this one."""
    (bundle.rootfs / "elsewhere").mkdir()
    replace_by_link(bundle, place, "/elsewhere")
    with pytest.raises(Failed, match=place):
        bundle.shell("true").run(runtime)


@pytest.mark.parametrize("destination", ["/proc", "/proc/self", "/proc/self/attr", "/proc/sys/kernel", "/proc/1"])
@pytest.mark.parametrize("type", ["tmpfs", "bind"])
def test_nothing_but_procfs_is_mounted_on_proc_or_below(
    bundle: Bundle, runtime: OciRuntime, outside: Path, destination: str, type: str
) -> None:
    """CVE-2019-16884, CVE-2025-52881: what is written to a faked /proc would not reach the kernel."""
    if destination == "/proc":
        bundle.without_mount("/proc")
    options = ["bind"] if type == "bind" else []
    bundle.mount(destination, type, outside if type == "bind" else "tmpfs", *options)
    with pytest.raises(RingfenceError, match="/proc"):
        bundle.shell("true").run(runtime)


def test_a_link_in_the_place_of_dev_leads_nowhere_outside(bundle: Bundle, runtime: OciRuntime, outside: Path) -> None:
    """CVE-2026-41579: default devices and links are made below the container's root, whatever /dev is."""
    for mount in [mount["destination"] for mount in bundle.spec["mounts"] if mount["destination"].startswith("/dev")]:
        bundle.without_mount(mount)
    replace_by_link(bundle, "dev", outside)
    with suppress(RingfenceError):  # refusing it is as good
        bundle.shell("ls /dev/").run(runtime)
    assert list(outside.iterdir()) == []


def test_a_masked_file_is_not_replaced_by_what_the_image_says_null_is(bundle: Bundle, runtime: OciRuntime) -> None:
    """CVE-2025-31133: /dev/null of the image is a link to a file of /proc; masking must not bind that one."""
    for mount in [mount["destination"] for mount in bundle.spec["mounts"] if mount["destination"].startswith("/dev")]:
        bundle.without_mount(mount)
    (bundle.rootfs / "dev").mkdir(exist_ok=True)
    (bundle.rootfs / "secret").write_text("secret")
    (bundle.rootfs / "bait").write_text("bait")
    replace_by_link(bundle, "dev/null", "/bait")
    bundle.spec["linux"]["maskedPaths"] = ["/secret"]
    try:
        result = bundle.shell("cat /secret; echo; stat -c %F /secret").run(runtime)
    except RingfenceError:
        return
    assert "bait" not in result.stdout
    assert "secret" not in result.stdout


def test_a_console_that_is_a_link_is_not_followed(bundle: Bundle, runtime: OciRuntime, outside: Path) -> None:
    """CVE-2025-52565: the terminal is bound on /dev/console itself, never on what a link there points to."""
    for mount in ("/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"):
        bundle.without_mount(mount)
    bundle.mount("/dev/pts", "devpts", "devpts", "newinstance", "ptmxmode=0666")
    (bundle.rootfs / "dev").mkdir(exist_ok=True)
    (bundle.rootfs / "victim").write_text("unharmed")
    replace_by_link(bundle, "dev/console", "/victim")
    bundle.spec["process"]["terminal"] = True
    try:
        result = bundle.shell("cat /victim; stat -c %F /victim").run(runtime)
    except RingfenceError:
        return
    assert "unharmed" in result.stdout
    assert "regular file" in result.stdout


@pytest.mark.parametrize(
    "destination",
    ["/etc/passwd/../../../../..{outside}/x", "/link/x", "/link", "/a/link/b/x", "{outside}/x", "/../../..{outside}/x"],
)
@pytest.mark.parametrize("type", ["tmpfs", "bind", "file"])
def test_a_destination_stays_below_the_root_whatever_links_it_crosses(
    bundle: Bundle, runtime: OciRuntime, outside: Path, short_directory: Path, destination: str, type: str
) -> None:
    replace_by_link(bundle, "link", outside)
    (bundle.rootfs / "a").mkdir()
    replace_by_link(bundle, "a/link", f"../../../../../../../..{outside}")
    source = short_directory / "source"
    if type == "file":
        source.write_text("x")
    else:
        source.mkdir()
    place = destination.format(outside=outside)
    if type == "tmpfs":
        bundle.mount(place, "tmpfs", "tmpfs")
    else:
        bundle.mount(place, "bind", source, "bind")
    with suppress(RingfenceError):  # a destination that cannot be made is refused
        bundle.shell("true").run(runtime)
    assert list(outside.iterdir()) == []
    assert not os.path.ismount(outside)


@pytest.mark.timeout(120)
def test_a_volume_whose_directories_change_places_with_links_leads_nowhere_outside(
    bundle: Bundle, runtime: OciRuntime, outside: Path, short_directory: Path, attacks: Path
) -> None:
    """CVE-2021-30465, CVE-2024-45310: a racing container swaps a mount's destination while this one is created."""
    volume = short_directory / "volume"
    (volume / "place").mkdir(parents=True)
    (volume / "link").symlink_to(outside)
    bundle.mount("/volume", "bind", volume, "rbind", "rw")
    bundle.mount("/volume/place", "tmpfs", "tmpfs", "mode=755")
    bundle.mount("/volume/place/deep/deeper", "bind", "/etc/os-release", "bind", "ro")
    bundle.mount("/volume/place/made", "tmpfs", "tmpfs", "mode=755")
    ended: dict[str, int] = {"started": 0, "refused": 0}
    swapper = subprocess.Popen([attacks, "swap", volume / "place", volume / "link"])
    try:
        for _ in range(100):
            try:
                bundle.shell("true").run(runtime)
                ended["started"] += 1
            except RingfenceError:
                ended["refused"] += 1
            assert list(outside.iterdir()) == []
            assert not os.path.ismount(outside)
    finally:
        swapper.kill()
        swapper.wait()
    assert ended["started"] > 0, ended


@pytest.mark.parametrize(
    "vandal",
    [
        lambda rootfs: (rootfs / "dev").rename(rootfs / "was-dev"),
        lambda rootfs: (rootfs / "sys").rename(rootfs / "was-sys"),
        lambda rootfs: shutil.rmtree(rootfs / "proc"),
    ],
)
def test_an_image_without_the_usual_directories_gets_them_made(
    bundle: Bundle, runtime: OciRuntime, vandal: Callable[[Path], object]
) -> None:
    for name in ("dev", "sys", "proc"):
        (bundle.rootfs / name).mkdir(exist_ok=True)
    vandal(bundle.rootfs)
    assert bundle.shell("echo $$").run(runtime).stdout == "1\n"


def test_what_exec_writes_to_procfs_does_not_go_to_a_fake_one(
    bundle: Bundle, runtime: OciRuntime, outside: Path
) -> None:
    """CVE-2025-52881: a container that may mount has put a fake over its /proc; exec writes to the real one."""
    capabilities = bundle.spec["process"]["capabilities"]
    for kind in ("bounding", "effective", "permitted"):
        capabilities[kind] = [*capabilities.get(kind, []), "CAP_SYS_ADMIN"]
    fake = "mount -t tmpfs fake /proc && mkdir /proc/self && echo unharmed >/proc/self/oom_score_adj"
    bundle.mount("/volume", "bind", outside.parent, "rbind", "rw")
    bundle.shell(f"{fake} && touch /volume/faked && exec sleep 100").start(runtime)
    eventually((outside.parent / "faked").exists)
    told = "cat /proc/self/oom_score_adj; mount -t proc proc /mnt && cat /mnt/self/oom_score_adj; umount /mnt"
    assert exec_in(runtime, bundle, ["sh", "-c", told], oomScoreAdj=321).stdout == "unharmed\n321\n"
