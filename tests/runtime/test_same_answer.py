"""The same bundle gives the same answer under ringrun, runc and crun, as the program inside sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests import needs
from tests.bundles import Bundle
from tests.runtime.peers import NAMES, Command

#: what is asked → (script inside, change of the spec)
QUESTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "namespaces": (
        "for n in cgroup ipc mnt net pid uts; do test $(readlink /proc/self/ns/$n) = $0$n; echo $?; done",
        {},
    ),
    "mounts": ("cut -d' ' -f2-3 /proc/self/mounts | grep -v ' cgroup\\|/sys/fs/cgroup\\|^/ ' | sort", {}),
    "mount flags": (
        "grep -E ' (/proc|/dev|/dev/shm|/dev/mqueue|/sys) ' /proc/self/mounts | cut -d' ' -f2,4 | "
        "sed 's/,size=[^,]*//; s/,nr_inodes=[^,]*//; s/,inode64//; s/,relatime//' | sort",
        {},
    ),
    "capabilities": ("grep Cap /proc/self/status", {}),
    "no new privileges and seccomp": ("grep -E 'NoNewPrivs|Seccomp:' /proc/self/status", {"seccomp": True}),
    "devices": ("cd /dev; stat -c '%n %F %t:%T %a' full null random tty urandom zero; readlink fd stdin ptmx", {}),
    "resource limits": ("grep -E 'open files|core file' /proc/self/limits", {"rlimits": True}),
    "environment": ("env | sort", {"env": ["A=1", "PATH=/usr/bin:/bin", "EMPTY=", "A=2"]}),
    "user and groups": (
        "id -u; id -g; id -G; umask; pwd; touch /tmp/f 2>/dev/null; stat -c %u:%g /proc/self",
        {"user": {"uid": 1000, "gid": 1001, "additionalGids": [5, 2000]}, "cwd": "/tmp"},
    ),
    "capabilities of a user": ("grep Cap /proc/self/status", {"user": {"uid": 1000, "gid": 1000}}),
    "descriptors": ("ls /proc/self/fd | head -c 6", {}),
    "host name": ("hostname", {}),
    "masked paths": (
        "cat /proc/kcore | wc -c; ls /sys/firmware | wc -l; echo x 2>&1 >/proc/sys/kernel/x; cat /proc/keys | wc -c",
        {},
    ),
    "limits of v1": (
        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/cpu/cpu.shares",
        {"resources": {"memory": {"limit": 67108864}, "pids": {"limit": 64}, "cpu": {"shares": 512}}},
    ),
    "hierarchies of v1": ("ls -A /sys/fs/cgroup | sort", {}),
    # not cpu.weight: each version of the peers has its own function from shares to weights
    "limits of v2": (
        "cd /sys/fs/cgroup; cat memory.max memory.low memory.swap.max pids.max cpu.max",
        {
            "resources": {
                "memory": {"limit": 67108864, "reservation": 33554432, "swap": 100663296},
                "pids": {"limit": 64},
                "cpu": {"quota": 50000, "period": 200000},
            }
        },
    ),
    "cgroups of v2": ("cat /proc/self/cgroup /sys/fs/cgroup/cgroup.controllers; ls -A /sys/fs/cgroup | sort", {}),
    # runc 1.1 lets every container use /dev/net/tun (given up in 1.2), crun the host's console: we do neither
    "device rules of v1": ("grep -v -e ' 10:200 ' -e ' 5:1 ' /sys/fs/cgroup/devices/devices.list | sort", {}),
    # the lower 28: runc and crun pass on what a libc keeps to itself (32 to 34), if our own caller had it ignored
    "signals": ("grep -E 'SigBlk|SigIgn' /proc/self/status | sed 's/[0-9a-f]*\\(.......\\)$/\\1/'", {}),
    "a read-only root": ("touch /x; echo $?", {"readonly": True}),
    "oom score": ("cat /proc/self/oom_score_adj", {"oom": 500}),
}


def _ask(bundle: Bundle, script: str, change: dict[str, Any]) -> None:
    spec, process, linux = bundle.spec, bundle.spec["process"], bundle.spec["linux"]
    spec["ociVersion"] = "1.0.2"
    bundle.shell(script)
    for key in ("env", "user", "cwd"):
        if key in change:
            process[key] = change[key]
    if change.get("seccomp"):
        linux["seccomp"] = {
            "defaultAction": "SCMP_ACT_ALLOW",
            "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [{"names": ["kexec_load"], "action": "SCMP_ACT_ERRNO"}],
        }
    if change.get("rlimits"):
        process["rlimits"] = [
            {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
            {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
        ]
    if "resources" in change:
        linux["resources"] |= change["resources"]
    if "oom" in change:
        process["oomScoreAdj"] = change["oom"]
    spec["root"]["readonly"] = bool(change.get("readonly"))


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_program_inside_sees_the_same(question: str, bundle: Bundle, short_directory: Path) -> None:
    needs.root()
    needs.program("runc", "crun")
    if question.endswith("of v1"):
        needs.cgroup_v1()
    if question.endswith("of v2"):
        needs.cgroup_v2_alone()
    _ask(bundle, *QUESTIONS[question])
    bundle.write()

    answers = {}
    for name in NAMES:
        done = Command(name, short_directory)(
            "run", "--bundle", str(bundle.path), f"same-{name}-{short_directory.name}"
        )
        answers[name] = done.stdout + done.stderr

    assert answers["ringrun"] == answers["runc"] or answers["ringrun"] == answers["crun"], answers
