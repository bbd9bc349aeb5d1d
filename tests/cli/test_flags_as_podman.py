"""Flag by flag beside podman: the same effect inside the container, the same exit code, one clear line if refused.

Each row of EFFECTS starts one container there and one here with all of the row's flags, and compares what the same
script sees. What podman cannot be asked on its hybrid cgroups is held by tests/engine/test_options_live.py.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests import needs
from tests.cli.driver import Command
from tests.podman import LIMITS, ULIMITS, Podman, on_tree_of_the_host_image
from tests.runtime.peers import APART, BLIND


@pytest.fixture(scope="module")
def podman(host_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    with on_tree_of_the_host_image(host_root, tmp_path_factory.mktemp("podman")) as made:
        yield made


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A directory with the files that flags name."""
    (tmp_path / "env").write_text("B=2\n# a comment\nC='3'\n")
    (tmp_path / "edges").write_bytes(EDGES)
    (tmp_path / "labels").write_text("from=file\n")
    (tmp_path / "seccomp.json").write_text('{"defaultAction": "SCMP_ACT_ALLOW"}')
    (tmp_path / "bound").mkdir()
    (tmp_path / "bound" / "file").write_text("bound\n")
    return tmp_path


CGROUP = "cd /sys/fs/cgroup; "
MOUNTED = (  # whether each of these mounts propagates, and can be written to
    "for m in {}; do grep \" /$m \" /proc/self/mountinfo | grep -oE '^.* - ' | grep -oE 'shared|master' | head -1;"
    " grep \" /$m \" /proc/mounts | cut -d' ' -f4 | cut -d, -f1; done"
)
EDGES = (  # of an env file; podman passes over a name with a space, which docker and we refuse
    b"C=1\n# comment\n  # another\n\nD= x  \nE='q'\nG=\nH==y\nF=1\nF=2\nNAME\nNONE\nI=a#b\nJ=\xc3\xa9\n\tK=tab\nL=last"
)
EFFECTS = {
    "process": (  # with a user that has no home podman sets HOME to the working directory, docker to /
        "-e A=1 --env-file {here}/env -w /tmp -u 1:2 --group-add 3 --stop-signal INT --no-healthcheck --pull never",
        "echo $A $B $C; pwd; id -u; id -g; cat /proc/1/comm",
    ),
    "capabilities": (
        "--cap-drop ALL --cap-add CHOWN --cap-add net_admin --security-opt no-new-privileges"
        " --security-opt seccomp={here}/seccomp.json --security-opt unmask=/proc/kcore",
        "grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status; test -c /proc/kcore && echo masked || echo not masked",
    ),
    "privileged": (
        "--privileged",
        "grep -E '^(CapEff|CapBnd|NoNew|Seccomp:)' /proc/self/status; touch /proc/sys/kernel/msgmax && echo writable;"
        " test -w /sys/fs && echo sys; ls /dev/full /dev/fuse",
    ),
    "memory": (
        "-m 64m --memory-swap 128m --memory-reservation 32m --memory-swappiness 10",
        CGROUP + "cd memory; cat memory.limit_in_bytes memory.memsw.limit_in_bytes memory.soft_limit_in_bytes"
        " memory.swappiness",
    ),
    "memory alone": ("-m 64m", CGROUP + "cat memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes"),
    "cpu": (
        "--cpu-shares 512 --cpu-quota 50000 --cpu-period 200000 --cpuset-cpus 0 --cpuset-mems 0 --pids-limit 50",
        CGROUP + "cat cpu/cpu.shares cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us cpuset/cpuset.cpus cpuset/cpuset.mems"
        " pids/pids.max",
    ),
    "cpus": ("--cpus 0.5", CGROUP + "cat cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us"),
    "block devices": (
        "--device-read-bps /dev/vda:1mb --device-write-bps /dev/vda:2mb --device-read-iops /dev/vda:100"
        " --device-write-iops /dev/vda:200",
        CGROUP + "cd blkio; cat blkio.throttle.read_bps_device blkio.throttle.write_bps_device"
        " blkio.throttle.read_iops_device blkio.throttle.write_iops_device",
    ),
    "limits and devices": (
        "--ulimit core=0:5 --ulimit stack=65536 --oom-score-adj 300 --shm-size 1m --device /dev/fuse:/dev/mine:r"
        " --sysctl kernel.shmmax=65536 --init",
        "ulimit -c; ulimit -Hc; ulimit -s; cat /proc/self/oom_score_adj /proc/sys/kernel/shmmax;"
        " stat -f -c '%b %S' /dev/shm; stat -c '%t:%T' /dev/mine; (: <>/dev/mine) 2>/dev/null || echo no;"
        " test $$ -ne 1 && echo init",
    ),
    "files": (
        "--read-only --read-only-tmpfs=false -v {here}/bound:/b:ro --mount type=bind,src={here}/bound,dst=/c,readonly"
        " -v /anonymous --mount type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=700 --tmpfs /u:size=64k",
        "cat /b/file /c/file; touch /b/x /c/x /x 2>/dev/null; echo $?; touch /anonymous/x /t/x /u/x && echo ok;"
        " stat -c %a /t; stat -f -c '%b %S' /t /u; grep -E ' /(b|c|u) ' /proc/mounts | sort |"
        " grep -oE 'r[ow],|nosuid|nodev'",  # docker's --tmpfs is noexec, podman's is not
    ),
    "volumes": (
        "-v named:/n --mount type=volume,src=other,dst=/o",
        "touch /n/x /o/x && stat -c '%u %g' /n /o; grep -c -E ' /(n|o) ' /proc/mounts",
    ),
    "names": (
        "--network host --hostname web --add-host db:10.0.0.1 --dns 9.9.9.9 --dns-search example.org"
        " --dns-option ndots:3",
        "hostname; echo $HOSTNAME; grep -w db /etc/hosts | tr -s ' \\t' ' '; grep -v '^#' /etc/resolv.conf | sort",
    ),
    "namespaces of the host": (
        "--network host --pid host --ipc host --uts host --cgroupns host",
        "cd /proc/self/ns; readlink net pid ipc uts cgroup",
    ),
    "environment": (
        "-e A=1 -e A=2 -e B= -e PATH=/bin:/x -e HOSTNAME=other --env-file {here}/edges -e NAME -e NONE -e F=3",
        "env | LC_ALL=C sort | grep -vE '^(HOME|TERM|container|PWD|SHLVL|OLDPWD|_)='",
    ),
    "tmpfs": (
        "--tmpfs /a:size=64k,mode=1770 --tmpfs /b:rw,noexec,size=1m --tmpfs /c:ro --tmpfs /d:exec,suid,dev",
        "for d in a b c d; do stat -f -c %b /$d; grep \" /$d \" /proc/mounts | cut -d' ' -f4 |"
        " tr , '\\n' | grep -E '^(ro|size=.*|mode=.*)$' | sort; done; grep -cE ' /b .*noexec' /proc/mounts;"
        " grep -cE ' /d .*(noexec|nosuid|nodev)' /proc/mounts",
    ),
    "forms of --mount": (
        "--mount type=bind,source={here}/bound,destination=/a,ro --mount type=bind,src={here}/bound,target=/b,"
        "bind-propagation=rslave --mount type=volume,src=forms,dst=/c,ro --mount type=tmpfs,destination=/d,"
        "tmpfs-size=64k --mount type=bind,src={here}/bound/file,dst=/e --mount type=volume,dst=/f",
        "ls /a /b; cat /e; touch /a/x /c/x 2>/dev/null; echo $?; touch /b/y && rm /b/y; touch /f/x /d/x && echo ok;"
        " stat -f -c %b /d; " + MOUNTED.format("a b c d e f"),
    ),
    "forms of --volume": (
        "-v {here}/bound:/a:ro -v {here}/bound:/b:rw,rslave -v more:/c:ro -v /d -v {here}/bound/file:/e:ro",
        "touch /a/x /c/x /e 2>/dev/null; echo $?; touch /b/y /d/y && rm /b/y; " + MOUNTED.format("a b c d e"),
    ),
    "the host's user namespace": ("--userns host", "tr -s ' ' </proc/self/uid_map"),
    "ipc": ("--ipc private --shm-size 2m", "stat -f -c %b /dev/shm; cat /proc/sys/kernel/shmmni"),
    "host name": ("--hostname a.b.c", "hostname; echo $(cat /etc/hostname)"),
    "ids": ("-u 1000:2000 --group-add 5 --group-add root -w /tmp", "id -u; id -g; id -G; pwd"),
    "init": ("--init -l c=d", "sleep 0.01 & sleep 0.1; ps -eo stat= | grep -c Z; test $$ -ne 1; echo $?"),
    "names and addresses": (
        "--network host --dns 1.1.1.1 --dns 2001:db8::1 --dns-search . --add-host a:1.2.3.4 --add-host b:::1",
        "grep -v '^#' /etc/resolv.conf | sort; grep -wE 'a|b' /etc/hosts | tr -s ' \\t' ' '",
    ),
    "the host's name": ("--uts host", "test $(hostname) = $(cat /proc/sys/kernel/hostname) && hostname"),
    "ulimits": ("--ulimit cpu=5 --ulimit fsize=1000000:2000000", "ulimit -t; ulimit -f; ulimit -Hf"),
    "devices": (
        "--device /dev/null:/dev/a --device /dev/zero:/dev/b:r",
        "stat -c '%t:%T %a' /dev/a /dev/b; (echo >/dev/b) 2>/dev/null || echo no; head -c1 /dev/b | od -An -tx1",
    ),
    "read-only": (
        "--read-only --read-only-tmpfs=false --tmpfs /run --tmpfs /tmp",
        "touch /x /etc/x 2>/dev/null; echo $?; touch /run/x /tmp/x && echo ok; touch /dev/shm/x && echo shm",
    ),
    "privileged user": ("--privileged -u 1000", "grep -E '^Cap' /proc/self/status"),
    "unconfined": (
        "--security-opt no-new-privileges:true --security-opt seccomp=unconfined",
        "grep -E '^(NoNew|Seccomp:)' /proc/self/status",
    ),
    "masks": (
        "--security-opt mask=/etc/passwd --security-opt unmask=ALL",
        "wc -c </etc/passwd; head -c0 /proc/kcore && echo kcore; grep -c ' /proc/' /proc/mounts",
    ),
    "user": ("--user nobody", "id -un; echo $HOME; grep CapEff /proc/self/status"),
    "entrypoint": ("--entrypoint echo", "said by the entrypoint"),
}


@pytest.mark.parametrize("row", EFFECTS)
def test_flags_have_the_effect_they_have_under_podman(row: str, command: Command, podman: Podman, here: Path) -> None:
    flags, script = EFFECTS[row]
    words = [word.format(here=here) for word in flags.split()]
    limits = ULIMITS if "--network" in words else LIMITS

    argv = ["sh", "-c", script]
    theirs = podman.command("run", "--rm", *limits, *words, "--rootfs", str(podman.tree), *argv)
    words = [word for word in words if "read-only-tmpfs" not in word]  # podman's alone: docker has no tmpfs there
    mine = command.run("run", "--rm", *limits, *words, "host", *argv)

    assert theirs.stdout, theirs.stderr
    assert (mine.status, mine.out.splitlines()) == (theirs.returncode, theirs.stdout.splitlines()), mine.err


# Of flags that podman refuses with --rootfs, or that ask for another machine: who prepares it, the flags, the script.
SUBORDINATE = (*APART, 'for f in uid gid; do mount --bind {here}/subordinate /etc/sub$f; done; exec "$@"', "sh")
WITHOUT_V2 = (*APART, f'{BLIND} "$@"', "sh")
WHOSE = (
    "cat /proc/self/uid_map /proc/self/gid_map | tr -s ' '; touch /x /tmp/x; stat -c '%u %g' / /x /tmp/x /etc/passwd"
    " /proc/1 /dev/null /dev/shm /sys; grep -E '^(NoNew|Seccomp:)' /proc/self/status; cat /proc/self/setgroups"
)
IMAGES: dict[str, tuple[tuple[str, ...], str, str]] = {
    "the platform of this machine": ((), "--pull never --platform linux/amd64", "uname -m; echo $MADE"),
    "an alias of a platform": ((), "--pull never --platform linux/x86_64", "echo $MADE"),
    "no platform": ((), "--pull never --platform linux", "echo $MADE"),
    "ids of its own": (SUBORDINATE, "--userns auto:size=70000", WHOSE),
    "a user of a user namespace": (SUBORDINATE, "--userns auto:size=2000 -u 1000:1001 -w /tmp", WHOSE),
    "volumes of a user namespace": (
        SUBORDINATE,
        "--userns auto:size=2000 -v {here}/bound:/b -v fresh:/v --tmpfs /t",
        "stat -c '%u %g' /b /b/file /v /t; touch /v/x /t/x && stat -c '%u %g' /v/x /t/x; touch /b/x || echo not ours",
    ),
    "runc by its name": ((), "--runtime runc", "grep -E '^(NoNew|Seccomp:)' /proc/self/status; hostname | wc -c"),
    "runc by its path": ((), "--runtime {runc} --hostname web -w /tmp", "hostname; pwd"),
    "crun by its name": (WITHOUT_V2, "--runtime crun --hostname web -w /tmp -u 1:2", "hostname; pwd; id -u; id -g"),
    "crun by its path": (WITHOUT_V2, "--runtime {crun} -m 64m", CGROUP + "cat memory/memory.limit_in_bytes"),
}


@pytest.fixture(scope="module")
def image(host_root: Path) -> Iterator[Podman]:
    """Podman with the image `made`. Whoever is root of a user namespace must reach it: so not in pytest's directory."""
    with TemporaryDirectory(prefix="rf-podman-", dir="/tmp") as name:
        directory = Path(name)
        directory.chmod(0o711)
        with on_tree_of_the_host_image(host_root, directory) as made:
            subprocess.run(["tar", "-C", made.tree, "-cf", directory / "tar", "."], check=True)
            done = made.command("import", "-q", "-c", "ENV MADE=here", f"{directory}/tar", "made")
            assert done.returncode == 0, done.stderr
            yield made


@pytest.mark.parametrize("row", IMAGES)
def test_flags_of_an_image_have_the_effect_they_have_under_podman(
    row: str, command: Command, image: Podman, here: Path
) -> None:
    needs.program("crun")
    (here / "subordinate").write_text("containers:2000000:200000\n")
    Path(command.environment["RINGFENCE_ROOT"]).parent.chmod(0o711)
    prepared, flags, script = IMAGES[row]
    places = {"here": here, "runc": shutil.which("runc"), "crun": shutil.which("crun")}
    machine = [word.replace("{here}", str(here)) for word in prepared]
    words = [word.format(**places) for word in flags.split()]
    assert command.run("import", "-c", "ENV MADE=here", f"{image.directory}/tar", "made").status == 0

    argv = ["sh", "-c", script]
    theirs = image.command("run", "--rm", *LIMITS, *words, "localhost/made", *argv, machine=machine)
    mine = command.run("run", "--rm", *LIMITS, *words, "made", *argv, machine=machine)

    assert theirs.stdout, theirs.stderr
    assert (mine.status, mine.out.splitlines()) == (theirs.returncode, theirs.stdout.splitlines()), mine.err


def test_an_image_for_another_platform_runs_with_a_warning_unless_it_was_asked_for(
    command: Command, image: Podman
) -> None:
    """As under podman, and docker. The image is for arm64 by its word alone: what is in it runs here."""
    done = image.command("import", "-q", "--arch", "arm64", f"{image.directory}/tar", "foreign")
    assert done.returncode == 0, done.stderr
    command.ok("import", "--platform", "linux/arm64", f"{image.directory}/tar", "foreign")

    for flags in ([], ["--platform", "linux/arm64"], ["--platform", "linux/aarch64"], ["--platform", "linux/arm64/v8"],
                  ["--platform", "linux/riscv64"]):  # fmt: skip
        words = ["run", "--rm", "--pull", "never", *LIMITS, *flags]
        theirs = image.command(*words, "localhost/foreign", "echo", "ran")
        mine = command.run(*words, "foreign", "echo", "ran")

        assert (mine.status, mine.out) == (theirs.returncode, theirs.stdout), (flags, mine, theirs)
        expected = "does not match the expected platform"
        assert (expected in mine.err, expected in theirs.stderr) == (not flags, not flags), (flags, mine, theirs)


KEPT = {  # of a created container: the flags, and docker's template for what inspect tells of them
    "life": (
        "--name kept --restart on-failure:3 --stop-signal INT --stop-timeout 7 --label a=1 --label-file {here}/labels"
        " --annotation x=y --log-driver k8s-file --log-opt max-size=10m",
        "{{.Name}} {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}"
        " {{.Config.StopTimeout}} {{.Config.Labels.a}} {{.Config.Labels.from}} {{.State.Status}}",
    ),
    "health": (
        "--health-cmd true --health-interval 5s --health-timeout 2s --health-retries 4 --health-start-period 1s",
        "{{json .Config.Healthcheck.Test}} {{json .Config.Healthcheck.Interval}} {{json .Config.Healthcheck.Timeout}}"
        " {{.Config.Healthcheck.Retries}} {{json .Config.Healthcheck.StartPeriod}}",
    ),
    "process": (
        "-i -t -w /tmp -u 5:6 --hostname web -e A=1 --privileged --read-only --oom-score-adj 5",
        "{{.Config.Tty}} {{.Config.OpenStdin}} {{.Config.WorkingDir}} {{.Config.User}} {{.Config.Hostname}}"
        " {{.HostConfig.Privileged}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.OomScoreAdj}}",
    ),
    "limits": (
        "-m 64m --memory-swap 128m --memory-reservation 32m --cpu-shares 512 --cpu-quota 50000 --cpu-period 100000"
        " --cpuset-cpus 0 --cpuset-mems 0 --pids-limit 50 --shm-size 1m --cgroup-parent /rf-parent",
        "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.MemoryReservation}} {{.HostConfig.CpuShares}}"
        " {{.HostConfig.CpuQuota}} {{.HostConfig.CpuPeriod}} {{.HostConfig.CpusetCpus}} {{.HostConfig.CpusetMems}}"
        " {{.HostConfig.PidsLimit}} {{.HostConfig.ShmSize}} {{.HostConfig.CgroupParent}}",
    ),
}


@pytest.mark.parametrize("row", KEPT)
def test_a_created_container_tells_of_its_flags_what_podman_tells(
    row: str, command: Command, podman: Podman, here: Path
) -> None:
    flags, template = KEPT[row]
    words = [word.format(here=here) for word in flags.split()]
    theirs = podman.command("create", *LIMITS, *words, "--rootfs", str(podman.tree), "true")
    assert theirs.returncode == 0, theirs.stderr
    try:
        told = podman.command("inspect", "--format", template, theirs.stdout.strip()).stdout.strip()
    finally:
        podman.command("rm", "-f", theirs.stdout.strip())
    mine = command.ok("inspect", "--format", template, command.ok("create", *LIMITS, *words, "host", "true"))

    assert mine.removeprefix("/") == told  # docker's names begin with a slash


# How runs end: flags, program -> docker's exit code, and podman's where it is another.
ENDS: dict[str, tuple[str, str, int, int]] = {
    "a program that is not there": ("", "/none", 127, 127),
    "a name that is not there": ("", "none-such", 127, 127),
    "a file that is no program": ("", "/etc/passwd", 126, 126),
    "a directory": ("", "/tmp", 126, 126),
    "the program's own exit code": ("", "sh -c 'exit 7'", 7, 7),
    "a signal": ("--init", "sh -c 'kill -9 $$'", 137, 137),
    "the OOM killer": ("-m 16m --memory-swap 16m", "tail /dev/zero", 137, 137),
    "a time limit": ("--timeout 1", "sleep 60", 137, 255),
    "an unknown user": ("-u none-such", "true", 125, 126),
    "an unknown group": ("-u 1:none-such", "true", 125, 126),
    "a device that is not there": ("--device /dev/none", "true", 125, 125),
    "a source that is not there": ("--mount type=bind,src=/none,dst=/x", "true", 125, 125),
    "an unknown container": ("--network container:none-such", "true", 125, 125),
    "volumes of an unknown container": ("--volumes-from none-such", "true", 125, 125),
    "a sysctl of the host": ("--sysctl kernel.frob=1", "true", 125, 125),
    "contradicting flags": ("--rm --restart always", "true", 125, 125),
    "a cidfile that is there": ("--cidfile {here}/env", "true", 125, 125),
}


@pytest.mark.parametrize("row", ENDS)
def test_a_run_ends_with_dockers_exit_code(row: str, command: Command, podman: Podman, here: Path) -> None:
    flags, program, status, podmans = ENDS[row]
    words, argv = shlex.split(flags.format(here=here)), shlex.split(program)
    limits = ULIMITS if "--network" in words else LIMITS
    theirs = podman.command("run", "--rm", *limits, *words, "--rootfs", str(podman.tree), *argv)
    mine = command.run("run", "--rm", *limits, *words, "host", *argv)

    assert (mine.status, theirs.returncode) == (status, podmans), (mine, theirs)
    if status in (125, 126, 127):
        assert mine.err.startswith("ringfence: ") and mine.err.count("\n") == 1, mine.err


# What both refuse. Podman ignores what the kernel lacks, and reads the times of a health check only with its command.
REFUSED = [
    "cap-add=FROB", "cap-drop=FROB", "cpu-period=x", "cpu-quota=x", "cpu-shares=x", "cpus=x",
    "detach-keys=frob", "device=/none", "device-cgroup-rule=x", "device-read-bps=x", "device-read-iops=x",
    "device-write-bps=x", "device-write-iops=x", "env-file=/none", "health-retries=x", "label-file=/none",
    "log-driver=x", "memory=64q",
    "memory-reservation=x", "memory-swap=x", "memory-swappiness=101", "mount=x", "name=!", "oom-score-adj=9999",
    "pids-limit=x", "pull=x", "restart=x", "security-opt=x", "shm-size=x", "stop-signal=FROB", "stop-timeout=x",
    "sysctl=x", "timeout=x", "tmpfs=relative", "ulimit=x", "userns=x", "uts=x", "ipc=x", "pid=x", "cgroupns=x",
    "volume=a:b:c:d", "add-host=x", "dns=x", "frob=1", "cpuset-cpus=a-b",
    "userns=keep-id", "userns=nomap", "userns=private", "userns=container:none-such", "userns=ns:/none",
    "userns=auto:", "userns=auto:size=x", "userns=auto:colour=1", "userns=auto:uidmapping=x",
    "runtime=/none", "runtime=none-such", "runtime=bin/runc", "runtime=/etc/passwd",
]  # fmt: skip


@pytest.mark.parametrize("flag", REFUSED)
def test_a_wrong_value_ends_as_under_podman(flag: str, command: Command, podman: Podman) -> None:
    theirs = podman.command("run", "--rm", f"--{flag}", *LIMITS, "--rootfs", str(podman.tree), "true")
    mine = command.run("run", "--rm", f"--{flag}", *LIMITS, "host", "true")

    assert (mine.status, mine.out) == (125, "")
    assert mine.err.startswith("ringfence: ") and mine.err.count("\n") == 1, mine.err
    assert theirs.returncode in (125, 126), theirs  # podman: 126 where it is runc that refuses
