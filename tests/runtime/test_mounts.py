"""Mounts of a spec, as the container's own mountinfo shows them (docs/conformance/oci-runtime.md, B)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringfence.errors import Failed, RingfenceError
from ringfence.runtime.interface import Launch
from ringfence.runtime.native import OciRuntime
from tests import needs
from tests.bundles import Bundle, exec_in

#: what no bind of `locked` keeps unless it asks for it
LOCKED = "ro,nosuid,nodev,noexec,noatime,nodiratime,nosymfollow"
Row = tuple[str, list[str], str, str]
# Kind of mount, its options, words that the container's mountinfo must show for it, words that it must not.
OPTIONS: dict[str, Row] = {
    "B15 async": ("tmpfs", ["sync", "async"], "", "sync"),
    "B16 atime": ("locked", ["bind", "atime"], "relatime", "noatime"),
    "B17 bind": ("open", ["bind"], "rw", ""),
    "B18 defaults": ("tmpfs", ["defaults"], "rw relatime", "nosuid nodev noexec"),
    "B19 dev": ("locked", ["bind", "dev"], "nosuid", "nodev"),
    "B20 diratime": ("locked", ["bind", "diratime"], "noatime", "nodiratime"),
    "B21 dirsync": ("tmpfs", ["dirsync"], "dirsync", ""),
    "B22 exec": ("locked", ["bind", "exec"], "nodev", "noexec"),
    "B23 iversion": ("tmpfs", ["iversion", "nodev"], "nodev", ""),
    "B24 lazytime": ("tmpfs", ["lazytime"], "lazytime", ""),
    "B25 loud": ("tmpfs", ["silent", "loud"], "rw", ""),
    "B26 mand": ("tmpfs", ["mand"], "rw", ""),
    "B27 noatime": ("open", ["bind", "noatime"], "noatime", "relatime"),
    "B28 nodev": ("open", ["bind", "nodev"], "nodev", ""),
    "B29 nodiratime": ("open", ["bind", "nodiratime"], "nodiratime", ""),
    "B30 noexec": ("open", ["bind", "noexec"], "noexec", ""),
    "B31 noiversion": ("tmpfs", ["iversion", "noiversion"], "rw", ""),
    "B32 nolazytime": ("tmpfs", ["lazytime", "nolazytime"], "", "lazytime"),
    "B33 nomand": ("tmpfs", ["mand", "nomand"], "", "mand"),
    "B34 norelatime": ("tmpfs", ["norelatime"], "rw", "noatime"),
    "B35 nostrictatime": ("tmpfs", ["strictatime", "nostrictatime"], "relatime", ""),
    "B36 nosuid": ("open", ["bind", "nosuid"], "nosuid", ""),
    "B37 nosymfollow": ("open", ["bind", "nosymfollow"], "nosymfollow", ""),
    "B46 rbind": ("open", ["rbind"], "rw", ""),
    "B47 relatime": ("locked", ["bind", "relatime"], "relatime", "noatime"),
    "B49 ro": ("open", ["bind", "ro"], "ro", "rw"),
    "B50 rw": ("locked", ["bind", "rw"], "rw nosuid", "ro"),
    "B51 silent": ("tmpfs", ["silent"], "rw", ""),
    "B52 strictatime": ("open", ["bind", "strictatime"], "", "relatime noatime"),
    "B53 suid": ("locked", ["bind", "suid"], "ro", "nosuid"),
    "B54 sync": ("tmpfs", ["sync"], "sync", ""),
    "B55 symfollow": ("locked", ["bind", "symfollow"], "ro", "nosymfollow"),
    "strictatime over noatime": ("open", ["bind", "noatime", "strictatime"], "", "noatime relatime"),
}
# B56, B57: what the mount below a bound one shows.
RECURSIVE: dict[str, Row] = {
    "rro": ("open", ["rbind", "rro"], "ro", ""),
    "rrw": ("locked", ["rbind", "rrw"], "rw", "ro"),
    "rsuid": ("locked", ["rbind", "rsuid"], "nodev", "nosuid"),
    "rnosuid": ("open", ["rbind", "rnosuid"], "nosuid", ""),
    "rdev": ("locked", ["rbind", "rdev"], "nosuid", "nodev"),
    "rnodev": ("open", ["rbind", "rnodev"], "nodev", ""),
    "rexec": ("locked", ["rbind", "rexec"], "nosuid", "noexec"),
    "rnoexec": ("open", ["rbind", "rnoexec"], "noexec", ""),
    "ratime": ("locked", ["rbind", "ratime"], "relatime", "noatime"),
    "rnoatime": ("open", ["rbind", "rnoatime"], "noatime", "relatime"),
    "rdiratime": ("locked", ["rbind", "rdiratime"], "noatime", "nodiratime"),
    "rnodiratime": ("open", ["rbind", "rnodiratime"], "nodiratime", ""),
    "rrelatime": ("locked", ["rbind", "rrelatime"], "relatime", "noatime"),
    "rnorelatime": ("open", ["rbind", "rnorelatime"], "rw", "noatime"),
    "rstrictatime": ("open", ["rbind", "rstrictatime"], "rw", "relatime noatime"),
    "rnostrictatime": ("open", ["rbind", "rstrictatime", "rnostrictatime"], "relatime", ""),
    "rsymfollow": ("locked", ["rbind", "rsymfollow"], "ro", "nosymfollow"),
    "rnosymfollow": ("open", ["rbind", "rnosymfollow"], "nosymfollow", ""),
    "ro stays with the first": ("open", ["rbind", "ro"], "rw", ""),
}
# Options of a bind of a shared tree: what they make of its top and of the mount below it.
PROPAGATION = {
    "B38 private": (["rbind", "private"], "", "master"),
    "B39 rprivate": (["rbind", "rprivate"], "", ""),
    "B40 shared": (["rbind", "shared"], "shared", "shared"),
    "B41 rshared": (["rbind", "rshared"], "shared", "shared"),
    "B42 slave": (["rbind", "slave"], "master", "master"),
    "B43 rslave": (["rbind", "rslave"], "master", "master"),
    "B44 unbindable": (["rbind", "unbindable"], "unbindable", "master"),
    "B45 runbindable": (["rbind", "runbindable"], "unbindable", "unbindable"),
    "in their order": (["rbind", "rslave", "rshared"], "shared master", "shared master"),
    "none": (["rbind"], "", ""),
}
Mountinfo = dict[str, tuple[set[str], set[str]]]


@pytest.fixture
def sources(short_directory: Path) -> Iterator[Path]:
    """Trees of two mounts: `open` without flags, `locked` with all of them, `shared` in peer groups of their own."""
    needs.root()
    top = short_directory / "sources"
    for name, options, propagation in (
        ("open", "", "private"),
        ("locked", LOCKED, "private"),
        ("shared", "", "shared"),
    ):
        (top / name).mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", top / name], check=True)
        (top / name / "below").mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", top / name / "below"], check=True)
        for place in (top / name, top / name / "below"):
            flags = options.replace("ro,", "ro,bind,") if options else "bind,rw"
            subprocess.run(["mount", "-o", f"remount,{flags}", place], check=True)
            subprocess.run(["mount", f"--make-{propagation}", place], check=True)
    yield top
    for name in ("open", "locked", "shared"):
        subprocess.run(["umount", "-R", top / name], check=True)


def mountinfo(bundle: Bundle, runtime: OciRuntime) -> Mountinfo:
    """Mount point → (its options and its file system's, the words of its propagation), as the container sees it."""
    result = bundle.shell("cat /proc/self/mountinfo").run(runtime)
    assert result.exit_code == 0, result.stderr
    table = {}
    for line in result.stdout.splitlines():
        left, _, right = line.partition(" - ")
        fields, words = left.split(), right.split()
        kinds = {word.partition(":")[0] for word in fields[6:]}
        table[fields[4]] = (set(fields[5].split(",")) | set(words[2].split(",")) - {"ro", "rw"}, kinds)
    return table


def add(bundle: Bundle, sources: Path, rows: dict[str, Row]) -> None:
    for number, (kind, options, _, _) in enumerate(rows.values()):
        bind = kind != "tmpfs"
        bundle.mount(f"/m/{number}", "none" if bind else "tmpfs", sources / kind if bind else "tmpfs", *options)


def differences(rows: dict[str, Row], table: Mountinfo, below: str = "") -> dict[str, set[str]]:
    """Row → what its mount shows, for rows where that is not what it should be."""
    wrong = {}
    for number, (name, (_, _, there, absent)) in enumerate(rows.items()):
        found = table[f"/m/{number}{below}"][0]
        if not set(there.split()) <= found or set(absent.split()) & found:
            wrong[name] = found
    return wrong


def test_every_option_does_what_it_says(bundle: Bundle, runtime: OciRuntime, sources: Path) -> None:
    add(bundle, sources, OPTIONS)

    assert differences(OPTIONS, mountinfo(bundle, runtime)) == {}


def test_a_recursive_option_reaches_what_is_mounted_below(bundle: Bundle, runtime: OciRuntime, sources: Path) -> None:
    add(bundle, sources, RECURSIVE)

    assert differences(RECURSIVE, mountinfo(bundle, runtime), "/below") == {}


def test_propagation_is_as_it_was_asked_for(bundle: Bundle, runtime: OciRuntime, sources: Path) -> None:
    for number, (options, _, _) in enumerate(PROPAGATION.values()):
        bundle.mount(f"/m/{number}", "none", sources / "shared", *options)

    table = mountinfo(bundle, runtime)

    assert {name: (table[f"/m/{n}"][1], table[f"/m/{n}/below"][1]) for n, name in enumerate(PROPAGATION)} == {
        name: (set(top.split()), set(below.split())) for name, (_, top, below) in PROPAGATION.items()
    }


def test_what_is_mounted_on_the_host_later_reaches_a_slave_and_nobody_else(
    bundle: Bundle, runtime: OciRuntime, sources: Path, short_directory: Path
) -> None:
    fifo = bundle.rootfs / "go"
    os.mkfifo(fifo)
    (sources / "shared" / "later").mkdir()
    for kind in ("rslave", "rprivate"):
        bundle.mount(f"/{kind}", "none", sources / "shared", "rbind", kind)
    bundle.shell("read x <go; ls /rslave/later /rprivate/later >/result; umount /rslave/later").start(runtime)

    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", sources / "shared" / "later"], check=True)
    (sources / "shared" / "later" / "seen").touch()
    fifo.write_text("go\n")
    assert runtime.wait(bundle.id, 10)

    assert (bundle.rootfs / "result").read_text().split() == ["/rprivate/later:", "/rslave/later:", "seen"]
    assert os.path.ismount(sources / "shared" / "later")


def test_mounts_are_made_in_their_order_and_may_cover_one_another(bundle: Bundle, runtime: OciRuntime) -> None:
    bundle.mount("/a", "tmpfs", "tmpfs").mount("/a/b", "tmpfs", "first").mount("/a", "tmpfs", "last")

    result = bundle.shell("ls /a; grep -c ' /a' /proc/self/mountinfo").run(runtime)

    assert result.stdout == "3\n"


def test_a_relative_destination_begins_at_the_root(bundle: Bundle, runtime: OciRuntime) -> None:
    bundle.without_mount("/dev").without_mount("/dev/pts").without_mount("/dev/shm").without_mount("/dev/mqueue")
    bundle.mount("relative/place", "tmpfs", "tmpfs", "size=1m").mount("dev", "tmpfs", "tmpfs", "mode=755")

    result = bundle.shell("df /relative/place | tail -1; ls /dev/null").run(runtime)

    assert result.stdout.split()[-2:] == ["/relative/place", "/dev/null"]


def test_the_source_of_a_bind_may_be_relative_to_the_bundle_and_a_file(bundle: Bundle, runtime: OciRuntime) -> None:
    (bundle.path / "beside").write_text("here\n")
    bundle.mount("/new/file", "bind", "beside", "bind").mount("/new/tree", "bind", bundle.path, "bind")

    result = bundle.shell("cat /new/file /new/tree/beside").run(runtime)

    assert result.stdout == "here\nhere\n", result.stderr


def test_a_missing_source_is_an_error(bundle: Bundle, runtime: OciRuntime) -> None:
    bundle.mount("/x", "bind", "/no/such/source", "bind")

    with pytest.raises(Failed, match="/no/such/source: no such file or directory"):
        bundle.run(runtime)


def test_any_type_of_the_kernel_is_mounted_and_another_refused(bundle: Bundle, runtime: OciRuntime) -> None:
    for type in ("proc", "sysfs", "tmpfs", "devpts", "mqueue", "ramfs"):
        bundle.mount(f"/m/{type}", type, type)
    lowers = [bundle.path / ("x" * 150) / name for name in "ab"]
    for lower in lowers:
        lower.mkdir(parents=True)
    (lowers[1] / "lower").touch()
    overlay = f"lowerdir={lowers[0]}:{lowers[1]}"
    bundle.mount("/m/overlay", "overlay", "overlay", overlay)

    assert set(bundle.shell("ls /m/overlay; ls /m").run(runtime).stdout.split()) == {
        *("lower", "proc", "sysfs", "tmpfs", "devpts", "mqueue", "ramfs", "overlay"),
    }
    with pytest.raises(Failed, match="nosuchfs"):
        bundle.mount("/x", "nosuchfs", "none").run(runtime)


def test_unknown_options_go_to_the_file_system_which_may_refuse_them(bundle: Bundle, runtime: OciRuntime) -> None:
    bundle.mount("/m", "tmpfs", "tmpfs", "size=12k", "nr_inodes=7", "mode=0710")

    script = "df --output=size,itotal /m | tail -1; stat -c %a /m"
    assert bundle.shell(script).run(runtime).stdout.split() == ["12", "7", "710"]
    with pytest.raises(Failed, match="frobnicate"):
        bundle.mount("/x", "tmpfs", "tmpfs", "frobnicate=1").run(runtime)


def test_remount_changes_a_mount_and_with_bind_only_its_flags(
    bundle: Bundle, runtime: OciRuntime, sources: Path
) -> None:
    bundle.mount("/a", "tmpfs", "tmpfs", "size=12k", "sync", "nosuid")
    bundle.mount("/a", "tmpfs", "tmpfs", "remount", "size=20k", "async", "ro", "suid")
    bundle.mount("/b", "none", sources / "open", "bind").mount("/b", "none", "none", "bind", "remount", "ro", "size=4k")
    bundle.mount("/c", "none", sources / "open", "rbind").mount("/c", "none", "none", "remount", "rro", "rshared")

    table = mountinfo(bundle, runtime)

    assert {"ro", "size=20k"} <= table["/a"][0] and not {"sync", "nosuid"} & table["/a"][0]
    assert "ro" in table["/b"][0] and "size=4k" not in table["/b"][0]
    assert "ro" in table["/c/below"][0] and "shared" in table["/c/below"][1]


def test_a_bind_keeps_the_flags_of_its_source_that_it_does_not_speak_of(
    bundle: Bundle, runtime: OciRuntime, sources: Path
) -> None:
    """As mount(8) has it: in a user namespace these flags are locked, and to clear them all would be refused."""
    ids = [{"containerID": 0, "hostID": 1_000_000, "size": 65536}]
    bundle.path.parent.chmod(0o755)
    subprocess.run(["chown", "-R", "1000000:1000000", bundle.rootfs], check=True)
    bundle.mount("/a", "none", sources / "locked", "bind").mount("/b", "none", sources / "locked", "bind", "rw")
    for user in (False, True):
        if user:
            bundle.spec["linux"] |= {"uidMappings": ids, "gidMappings": ids}
            bundle.spec["linux"]["namespaces"].append({"type": "user"})
        table = mountinfo(bundle, runtime)
        assert set(LOCKED.split(",")) <= table["/a"][0]
        assert set(LOCKED.split(",")) - {"ro"} <= table["/b"][0] and "ro" not in table["/b"][0]


def test_tmpcopyup_brings_what_the_image_has_there(bundle: Bundle, runtime: OciRuntime) -> None:
    (bundle.rootfs / "data/deep").mkdir(parents=True)
    (bundle.rootfs / "data/deep/file").write_text("image\n")
    (bundle.rootfs / "data/link").symlink_to("deep/file")
    (bundle.rootfs / "data").chmod(0o1770)
    bundle.mount("/data", "tmpfs", "tmpfs", "tmpcopyup", "ro").mount("/empty", "tmpfs", "tmpfs")

    result = bundle.shell("cat /data/link; stat -c %a /data; touch /data/x 2>/dev/null || echo ro").run(runtime)

    assert result.stdout == "image\n1770\nro\n"
    assert sorted(path.name for path in (bundle.rootfs / "data").iterdir()) == ["deep", "link"]


def test_a_tmpfs_keeps_the_mode_and_owner_of_its_directory_unless_it_has_a_mode(
    bundle: Bundle, runtime: OciRuntime
) -> None:
    for name in ("kept", "given"):
        (bundle.rootfs / name).mkdir()
        (bundle.rootfs / name).chmod(0o2751)
        os.chown(bundle.rootfs / name, 5, 7)
    bundle.mount("/kept", "tmpfs", "tmpfs", "ro").mount("/given", "tmpfs", "tmpfs", "mode=0700")

    result = bundle.shell("stat -c '%a %u:%g' /kept /given; touch /kept/x 2>/dev/null || echo ro").run(runtime)

    assert result.stdout == "751 5:7\n700 0:0\nro\n" or result.stdout == "2751 5:7\n700 0:0\nro\n"


def test_an_id_mapped_mount_shows_its_owners_by_its_own_mapping_or_the_container_s(
    bundle: Bundle, runtime: OciRuntime, sources: Path
) -> None:
    os.chown(sources / "open", 0, 0)
    os.chown(sources / "open/below", 0, 0)
    own = [{"containerID": 0, "hostID": 7, "size": 1}]
    bundle.mount("/own", "none", sources / "open", "rbind", "idmap")
    bundle.mount("/deep", "none", sources / "open", "rbind", "ridmap")
    for mount in bundle.spec["mounts"][-2:]:
        mount |= {"uidMappings": own, "gidMappings": own}
    script = "stat -c %u:%g /own /own/below /deep /deep/below"

    assert bundle.shell(script).run(runtime).stdout.split() == ["7:7", "0:0", "7:7", "7:7"]

    ids = [{"containerID": 0, "hostID": 1_000_000, "size": 65536}]
    bundle.path.parent.chmod(0o755)
    subprocess.run(["chown", "-R", "1000000:1000000", bundle.rootfs], check=True)
    bundle.spec["linux"] |= {"uidMappings": ids, "gidMappings": ids}
    bundle.spec["linux"]["namespaces"].append({"type": "user"})
    del bundle.spec["mounts"][-2:]
    bundle.mount("/container", "none", sources / "open", "bind", "idmap").mount(
        "/not", "none", sources / "open", "bind"
    )

    assert bundle.shell("stat -c %u:%g /container /not").run(runtime).stdout.split() == ["0:0", "65534:65534"]


@pytest.mark.parametrize("kind", ["tmpfs", "bind"])
@pytest.mark.parametrize("options", [[], ["ro"]])
def test_a_mount_at_the_root_is_the_root_for_the_program_and_those_that_join_it(
    bundle: Bundle, runtime: OciRuntime, short_directory: Path, kind: str, options: list[str]
) -> None:
    """As under runc; what it covers is out of reach."""
    (bundle.rootfs / "below").touch()
    other = short_directory / "other"
    subprocess.run(["cp", "-a", bundle.rootfs, other], check=True)
    (other / "below").unlink()
    root = {"tmpfs": {"type": "tmpfs", "options": ["tmpcopyup", *options]},
            "bind": {"type": "bind", "source": str(other), "options": ["rbind", *options]}}[kind]  # fmt: skip
    bundle.spec["mounts"].insert(0, {"destination": "/", **root})
    script = "cut -d' ' -f5 /proc/self/mountinfo | grep -cx /; ls -d /below /etc; rm /new <>/new && echo writable"
    expected = ["1", *(["/below"] if kind == "tmpfs" else []), "/etc", *([] if options else ["writable"])]

    assert bundle.shell(script).run(runtime).stdout.split() == expected
    bundle.shell("sleep 30").start(runtime)
    assert exec_in(runtime, bundle, ["sh", "-c", script]).stdout.split() == expected
    assert not (bundle.rootfs / "new").exists()


def test_a_mount_at_the_root_that_comes_last_has_the_devices(
    bundle: Bundle, runtime: OciRuntime, short_directory: Path
) -> None:
    other = short_directory / "other"
    subprocess.run(["cp", "-a", bundle.rootfs, other], check=True)
    bundle.mount("/", "bind", other, "rbind")
    assert bundle.shell("test -c /dev/null && echo there").run(runtime).stdout == "there\n"


def test_the_other_options_of_a_mapped_tree_are_of_its_topmost_mount(
    bundle: Bundle, runtime: OciRuntime, sources: Path
) -> None:
    own = [{"containerID": 0, "hostID": 0, "size": 1}]
    bundle.mount("/deep", "none", sources / "open", "rbind", "ridmap", "ro")
    bundle.spec["mounts"][-1] |= {"uidMappings": own, "gidMappings": own}
    script = "(echo x >/deep/x) 2>&1 | grep -o Read-only; echo x >/deep/below/x && cat /deep/below/x"

    assert bundle.shell(script).run(runtime).stdout == "Read-only\nx\n"


@pytest.mark.parametrize("namespaced", [True, False])
def test_the_container_sees_its_own_cgroups_and_no_others(
    bundle: Bundle, runtime: OciRuntime, namespaced: bool
) -> None:
    """With a cgroup namespace by mounts of each hierarchy, without one by binds of what is its own (B12)."""
    linux = bundle.spec["linux"]
    if not namespaced:
        linux["namespaces"] = [one for one in linux["namespaces"] if one["type"] != "cgroup"]
    linux["resources"]["pids"] = {"limit": 77}
    script = "cd /sys/fs/cgroup; cat pids/pids.max pids.max 2>/dev/null; touch x 2>/dev/null || echo ro; ls -d */"
    ours = f"ringrun/{bundle.id}"

    result = bundle.shell(f"{script}; find . -path '*{ours}*'; grep -c pids.max /proc/self/mounts").run(runtime)

    assert result.stdout.split()[:2] == ["77", "ro"]
    assert ours not in result.stdout
    if runtime.driver.kind != "v2":
        needs.file("/sys/fs/cgroup/memory")
        assert {"memory/", "pids/", "systemd/"} <= set(result.stdout.split())


def test_the_root_is_relative_to_the_bundle_or_absolute_and_must_be_a_directory(
    bundle: Bundle, runtime: OciRuntime
) -> None:
    bundle.spec["root"]["path"] = str(bundle.rootfs)
    assert bundle.shell("echo absolute").run(runtime).stdout == "absolute\n"
    (bundle.path / "file").touch()
    for path in ("nothing", "file"):
        bundle.spec["root"]["path"] = path
        with pytest.raises(RingfenceError, match=path if path == "nothing" else "not a directory"):
            bundle.run(runtime)


def test_iversion_is_a_flag_of_mount_itself(bundle: Bundle, runtime: OciRuntime) -> None:
    """No file of the kernel shows it: what can be seen is which call makes the mount."""
    bundle.mount("/a", "tmpfs", "tmpfs", "iversion").mount("/b", "tmpfs", "tmpfs", "iversion", "noiversion")
    plan = runtime.plan(Launch(bundle.id, bundle.spec, str(bundle.path)))
    flags = {one.arguments[2]: one.arguments[-1] for one in plan.operations if one.name == "MOUNT"}
    assert isinstance(flags["/a"], int) and isinstance(flags["/b"], int)
    assert (flags["/a"] & 12, flags["/b"] & 12) == (12, 0)
