"""What is read of this machine: its kernel, its devices."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ringfence.engine import spec_host
from ringfence.engine.options import parse
from ringfence.engine.users import User
from ringfence.errors import InvalidInput
from tests import needs


def gather(**raw: object) -> spec_host.HostFacts:
    return spec_host.gather(parse(raw), bundle="/bundle", user=User())


@pytest.mark.parametrize(
    ("release", "version"), [("6.18.44-fc", (6, 18)), ("5.10", (5, 10)), ("6.1-rc2", (6, 1)), ("4", (4, 0))]
)
def test_a_kernel_release_is_two_numbers(release: str, version: tuple[int, int]) -> None:
    assert spec_host.kernel_version(release) == version


def test_the_facts_are_this_machines() -> None:
    facts = gather()
    assert (facts.hostname, facts.machine) == (os.uname().nodename, os.uname().machine)
    assert facts.devices == []
    with open("/proc/self/status") as status:
        assert f"{facts.bounding:016x}" in status.read()


def test_a_device_is_read_as_it_is() -> None:
    (device,) = gather(device="/dev/null:/dev/nothing:r").devices
    assert (device.path, device.type, device.major, device.minor, device.access) == ("/dev/nothing", "c", 1, 3, "r")
    assert device.mode == stat.S_IMODE(os.stat("/dev/null").st_mode)


def test_a_directory_stands_for_the_devices_below_it(tmp_path: Path) -> None:
    needs.root()
    (tmp_path / "sub").mkdir()
    os.mknod(tmp_path / "sub/zero", 0o600 | stat.S_IFCHR, os.makedev(1, 5))
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("/dev/null")
    (device,) = gather(device=f"{tmp_path}:/dev/many").devices
    assert (device.path, device.minor) == ("/dev/many/sub/zero", 5)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"device": "/dev/nope"}, "--device: /dev/nope: no such file or directory"),
        ({"device": "/etc/passwd"}, "--device: /etc/passwd: not a device"),
        ({"device": "/etc/ssl"}, "--device: /etc/ssl: no devices in this directory"),
        ({"device_read_bps": "/dev/null:1m"}, "--device-read-bps: /dev/null: not a block device"),
        ({"blkio_weight_device": "/dev/nope:10"}, "--blkio-weight-device: /dev/nope: no such file or directory"),
    ],
)
def test_what_is_no_device_is_refused(raw: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        gather(**raw)
    assert str(caught.value) == message


def test_privileged_gets_the_hosts_devices_but_not_its_terminals() -> None:
    paths = {device.path for device in gather(privileged=True).devices}
    assert "/dev/null" in paths
    assert not any(path.startswith(("/dev/pts", "/dev/shm", "/dev/ptmx")) for path in paths)


def test_the_containers_to_join_are_told_by_kind() -> None:
    options = parse({"network": "container:a", "ipc": "container:b", "pid": "host"})
    assert spec_host.joined(options) == {"network": "a", "ipc": "b"}
