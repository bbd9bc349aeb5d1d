"""Devices of a container, and network devices that move into it (docs/conformance/oci-runtime.md, H)."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from ringfence.errors import RingfenceError
from ringfence.runtime.native import OciRuntime
from tests import needs
from tests.bundles import Bundle
from tests.runtime.test_namespaces import mapped

TOLD = "stat -c '%F %t:%T %a %u:%g'"


@pytest.mark.parametrize(
    ("device", "told"),
    [
        ({"type": "c", "major": 1, "minor": 5}, "character special file 1:5 666 0:0"),
        ({"type": "u", "major": 1, "minor": 5, "fileMode": 0o600}, "character special file 1:5 600 0:0"),
        ({"type": "b", "major": 7, "minor": 259, "uid": 5, "gid": 6}, "block special file 7:103 666 5:6"),
        ({"type": "p", "fileMode": 0o20640}, "fifo 0:0 640 0:0"),
    ],
)
def test_devices_have_their_number_mode_and_owner(
    bundle: Bundle, runtime: OciRuntime, device: dict[str, Any], told: str
) -> None:
    bundle.spec["linux"]["devices"] = [{"path": "/some/where/device", **device}]
    assert bundle.shell(f"{TOLD} /some/where/device").run(runtime).stdout == f"{told}\n"


def test_slashes_at_the_end_of_a_device_s_path_say_nothing(bundle: Bundle, runtime: OciRuntime) -> None:
    """As under runc and later crun (its handle-device-trailing-slash); it is the same entry as without them."""
    bundle.spec["linux"]["devices"] = [
        {"path": "/device//", "type": "c", "major": 1, "minor": 5},
        {"path": "/dev/null/", "type": "c", "major": 1, "minor": 3, "fileMode": 0o644},
    ]
    told = "character special file 1:5 666 0:0\ncharacter special file 1:3 644 0:0\n"
    assert bundle.shell(f"{TOLD} /device /dev/null").run(runtime).stdout == told


def test_another_file_in_a_device_s_place_is_an_error(bundle: Bundle, runtime: OciRuntime) -> None:
    """runc and crun keep what is there; the specification does not."""
    bundle.spec["linux"]["devices"] = [{"path": "/device", "type": "c", "major": 1, "minor": 5}]
    place = bundle.rootfs / "device"
    os.mknod(place, stat.S_IFCHR | 0o600, os.makedev(1, 5))
    it_is_that_one = bundle.shell(f"{TOLD} /device").run(runtime).stdout
    assert it_is_that_one == "character special file 1:5 666 0:0\n"
    for other in ("file", "device", "link"):
        place.unlink()
        if other == "file":
            place.touch()
        elif other == "device":
            os.mknod(place, stat.S_IFCHR, os.makedev(1, 3))
        else:
            place.symlink_to("/x")
        with pytest.raises(RingfenceError, match="/device exists and is another file"):
            bundle.run(runtime)


def test_in_a_user_namespace_the_default_devices_are_the_host_s(bundle: Bundle, runtime: OciRuntime) -> None:
    """Which cannot be made there."""
    mapped(bundle, (0, 100_000, 10)).without_mount("/dev/pts")
    subprocess.run(["chown", "100000:100000", bundle.rootfs], check=True)
    look = "echo x >/dev/null && echo written; grep -c ' /dev/full .*nosuid.*noexec' /proc/self/mounts"
    assert bundle.shell(look).run(runtime).stdout == "written\n1\n"


def test_in_a_user_namespace_other_devices_are_as_they_are_described(bundle: Bundle, runtime: OciRuntime) -> None:
    """As under crun; runc binds the host's, and fails if it has none. Who has no id in the namespace is nobody."""
    mapped(bundle, (0, 100_000, 10)).without_mount("/dev/pts")
    subprocess.run(["chown", "100000:100000", bundle.rootfs], check=True)
    bundle.spec["linux"]["devices"] = [
        {"path": "/dev/none-such", "type": "c", "major": 1, "minor": 5, "fileMode": 0o644, "uid": 3, "gid": 4},
        {"path": "/dev/full", "type": "c", "major": 1, "minor": 3, "uid": 11},
        {"path": "/dev/disk", "type": "b", "major": 7, "minor": 259},
    ]
    bundle.spec["linux"]["resources"]["devices"] = [{"allow": True, "access": "rwm"}]
    flags = "grep -cE ' /dev/(none-such|full|disk) .*nosuid.*noexec' /proc/self/mounts"
    use = "head -c2 none-such | od -An -tx1; echo >full && echo written"
    look = f"{flags}; cd /dev; {TOLD} none-such full disk; {use}"
    assert bundle.shell(look).run(runtime).stdout.splitlines() == [
        "3",
        "character special file 1:5 644 3:4",
        "character special file 1:3 666 65534:0",
        "block special file 7:103 666 0:0",
        " 00 00",
        "written",
    ]


# ---- network devices


@pytest.fixture
def links(bundle: Bundle) -> Iterator[tuple[str, str]]:
    """A pair of virtual interfaces; the first has addresses of several kinds."""
    needs.program("ip")
    first, second = f"a{bundle.id[3:]}", f"b{bundle.id[3:]}"
    subprocess.run(["ip", "link", "add", first, "type", "veth", "peer", second], check=True)
    for words in (
        ["link", "set", first, "up"],
        ["address", "add", "192.0.2.9/28", "dev", first],
        ["-6", "address", "add", "2001:db8::9/64", "dev", first, "nodad"],
        ["address", "add", "192.0.2.10/28", "dev", first, "valid_lft", "500", "preferred_lft", "400"],
        ["link", "set", first, "down"],
        ["-6", "address", "add", "2001:db8::9/64", "dev", first, "nodad"],
    ):
        subprocess.run(["ip", *words], check=False, capture_output=True)
    yield first, second
    subprocess.run(["ip", "link", "delete", second], check=False, capture_output=True)


def addresses(pid: int, name: str) -> str:
    command = ["nsenter", "-t", str(pid), "-n", "ip", "-o", "address", "show", "dev", name]
    return subprocess.run(command, capture_output=True, text=True).stdout


def test_a_network_device_moves_with_its_permanent_addresses_and_is_up(
    bundle: Bundle, runtime: OciRuntime, links: tuple[str, str]
) -> None:
    bundle.spec["linux"]["netDevices"] = {links[0]: {"name": "inside"}}
    pid = bundle.shell("sleep 30").start(runtime)

    told = addresses(pid, "inside")
    assert "192.0.2.9/28" in told and "2001:db8::9/64" in told and "192.0.2.10" not in told
    look = ["ip", "link", "show"]
    shown = subprocess.run(["nsenter", "-t", str(pid), "-n", *look, "inside"], capture_output=True).stdout
    assert b"UP" in shown and subprocess.run([*look, links[0]], capture_output=True).returncode


def test_a_network_device_does_not_come_back(bundle: Bundle, runtime: OciRuntime, links: tuple[str, str]) -> None:
    """A virtual one goes with the namespace, and its other end with it."""
    bundle.spec["linux"]["netDevices"] = {links[0]: {}}
    assert bundle.shell("true").run(runtime).exit_code == 0
    assert subprocess.run(["ip", "link", "show", links[0]], capture_output=True).returncode != 0


def test_a_name_that_is_taken_is_an_error_and_the_device_stays(
    bundle: Bundle, runtime: OciRuntime, links: tuple[str, str]
) -> None:
    bundle.spec["linux"]["netDevices"] = {links[0]: {"name": "lo"}}
    with pytest.raises(RingfenceError, match=r"netDevices.* as lo: file exists"):
        bundle.run(runtime)
    assert subprocess.run(["ip", "link", "show", links[0]], capture_output=True).returncode == 0


def test_a_template_takes_the_next_free_name(bundle: Bundle, runtime: OciRuntime, links: tuple[str, str]) -> None:
    bundle.spec["linux"]["netDevices"] = {links[0]: {"name": "net%d"}, links[1]: {"name": "net%d"}}
    assert bundle.shell("ls /sys/class/net").run(runtime).stdout.split() == ["lo", "net0", "net1"]


def test_a_network_device_that_is_not_there_is_an_error(bundle: Bundle, runtime: OciRuntime) -> None:
    bundle.spec["linux"]["netDevices"] = {"nosuch0": {}}
    with pytest.raises(RingfenceError, match="nosuch0"):
        bundle.run(runtime)
