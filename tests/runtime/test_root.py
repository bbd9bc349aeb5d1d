"""Finishing the root filesystem: propagation, read-only paths, labels, the change of the root (conformance L)."""

from __future__ import annotations

from pathlib import Path

import pytest

from ringfence.errors import RingfenceError
from ringfence.runtime.native import OciRuntime
from tests import needs
from tests.bundles import Bundle
from tests.runtime.peers import Command


def flags_of(bundle: Bundle, runtime: OciRuntime, place: str) -> str:
    """The optional fields of a mount in /proc/self/mountinfo: its propagation."""
    line = bundle.shell(f"grep ' {place} ' /proc/self/mountinfo").run(runtime).stdout.splitlines()[0]
    return " ".join(line.split(" - ")[0].split(" ")[6:])


@pytest.mark.parametrize(
    ("word", "told"),
    [("private", ""), ("rprivate", ""), ("shared", "shared:"), ("rshared", "shared:"), ("unbindable", "unbindable"),
     ("runbindable", "unbindable")],
)  # fmt: skip
def test_the_propagation_of_the_root(bundle: Bundle, runtime: OciRuntime, word: str, told: str) -> None:
    bundle.spec["linux"]["rootfsPropagation"] = word
    flags = flags_of(bundle, runtime, "/")
    assert flags.startswith(told) and bool(flags) == bool(told)


@pytest.mark.parametrize("word", ["private", "rprivate", "rshared"])
def test_of_a_read_only_root_the_mounts_stay_writable_whatever_its_propagation(
    bundle: Bundle, runtime: OciRuntime, word: str
) -> None:
    """A propagation goes down to them, and read-only does not (crun's mount-rw)."""
    bundle.spec["root"]["readonly"] = True
    bundle.spec["linux"]["rootfsPropagation"] = word
    bundle.mount("/data", "tmpfs", "tmpfs")
    script = "echo x >/data/x && cat /data/x; (echo x >/x) 2>&1 | grep -o Read-only"
    assert bundle.shell(script).run(runtime).stdout == "x\nRead-only\n"


@pytest.mark.parametrize("word", ["slave", "rslave"])
def test_a_slave_hears_of_the_host_if_that_is_shared(bundle: Bundle, ringrun: Command, word: str) -> None:
    """The tests' own / is private here: in a mount namespace where it is shared, the root is a slave of that."""
    import subprocess

    bundle.spec["linux"]["rootfsPropagation"] = word
    bundle.shell("grep ' / / \\| / ' /proc/self/mountinfo | head -n 1").write()
    argv = ["unshare", "--mount", "--propagation", "shared", *ringrun.argv, "run", "--bundle", str(bundle.path), "c1"]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert " master:" in done.stdout.split(" - ")[0], done


def test_read_only_paths_cover_what_is_mounted_below_and_missing_ones_are_ignored(
    bundle: Bundle, runtime: OciRuntime, short_directory: Path
) -> None:
    bundle.mount("/data/below", "tmpfs", "tmpfs")
    bundle.spec["linux"]["readonlyPaths"] = ["/data", "/no/such/path", "/etc/passwd"]
    (bundle.rootfs / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    script = "for f in /data/x /data/below/x /etc/passwd; do (echo x >$f) 2>&1 | grep -o Read-only; done; touch /free"
    assert bundle.shell(script).run(runtime).stdout == "Read-only\n" * 3
    assert (bundle.rootfs / "free").exists()


def test_a_mount_label_without_selinux_is_an_error(bundle: Bundle, runtime: OciRuntime) -> None:
    if Path("/sys/fs/selinux/enforce").exists():
        needs.missing("a kernel without SELinux")
    bundle.spec["linux"]["mountLabel"] = "system_u:object_r:container_file_t:s0"
    with pytest.raises(RingfenceError, match=r"linux\.mountLabel"):
        bundle.run(runtime)


@pytest.mark.parametrize("flag", [[], ["--no-pivot"]])
def test_the_root_is_the_container_s_with_and_without_pivot_root(
    bundle: Bundle, ringrun: Command, flag: list[str]
) -> None:
    (bundle.rootfs / "only-here").touch()
    bundle.shell("ls -d /only-here; ls /proc/1/root/only-here; cd /..; ls -d only-here").write()
    done = ringrun("run", *flag, "--bundle", str(bundle.path), "c1")
    assert done.stdout == "/only-here\n/proc/1/root/only-here\nonly-here\n", done.stderr
