"""SELinux: which label a container's program and its file systems have, where the kernel knows labels.

A kernel loads a policy once and keeps it. So these tests run in a lane alone, whose kernel has SELinux and no policy
yet, and load one of three types that forbids nothing: it is there for the kernel to know the labels by.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ringfence.errors import RingfenceError
from ringfence.runtime.native import OciRuntime
from tests import needs
from tests.bundles import Bundle, exec_in

SIDS = "kernel security unlabeled fs file file_labels init any_socket port"
POLICY = f"""
(handleunknown allow) (mls true) (policycap nnp_nosuid_transition)
(class process (transition dyntransition)) (classorder (process))
{" ".join(f"(sid {sid})" for sid in SIDS.split())} (sidorder ({SIDS}))
(user system_u) (role system_r) (role object_r) (type machine_t) (type container_t) (type container_file_t)
(sensitivity s0) (sensitivityorder (s0))
(category c1) (category c2) (categoryorder (c1 c2)) (sensitivitycategory s0 (c1 c2))
(roletype system_r machine_t) (roletype system_r container_t)
(roletype object_r machine_t) (roletype object_r container_file_t)
(userrole system_u system_r) (userrole system_u object_r)
(userlevel system_u (s0)) (userrange system_u ((s0) (s0 (c1 c2))))
(allow machine_t container_t (process (transition)))
{" ".join(f"(sidcontext {sid} (system_u system_r machine_t ((s0) (s0))))" for sid in SIDS.split())}
"""
PROCESS = "system_u:system_r:container_t:s0:c1,c2"
FILES = "system_u:object_r:container_file_t:s0:c1,c2"
OWN = "tr '\\0' '\\n' </proc/self/attr/current"


@pytest.fixture(scope="module", autouse=True)
def _policy(tmp_path_factory: pytest.TempPathFactory) -> None:
    selinux = needs.selinux()
    source = tmp_path_factory.mktemp("selinux") / "policy.cil"
    source.write_text(POLICY)
    policy = source.with_suffix(".bin")
    subprocess.run(["secilc", "-o", policy, "-f", "/dev/null", source], check=True)
    Path(selinux, "load").write_bytes(policy.read_bytes())


def test_the_program_and_those_that_enter_have_the_label(bundle: Bundle, runtime: OciRuntime) -> None:
    bundle.spec["process"]["selinuxLabel"] = PROCESS
    bundle.shell(f"{OWN}; exec sleep 60")
    bundle.start(runtime)
    assert exec_in(runtime, bundle, ["sh", "-c", OWN]).stdout == f"{PROCESS}\n"
    runtime.delete(bundle.id, force=True)
    assert bundle.shell(OWN).run(runtime).stdout == f"{PROCESS}\n"


def test_a_label_of_no_type_of_the_policy_is_an_error(bundle: Bundle, runtime: OciRuntime) -> None:
    bundle.spec["process"]["selinuxLabel"] = "system_u:system_r:absent_t:s0"
    with pytest.raises(RingfenceError, match=r"process\.selinuxLabel"):
        bundle.run(runtime)


def test_new_file_systems_have_the_mount_label_and_those_of_the_kernel_keep_theirs(
    bundle: Bundle, runtime: OciRuntime
) -> None:
    bundle.spec["linux"]["mountLabel"] = FILES
    bundle.mount("/own", "tmpfs", "tmpfs").mount("/counted", "tmpfs", "tmpfs", "iversion")
    bundle.shell("grep context= /proc/mounts | cut -d' ' -f2 | sort; grep -o 'context=[^ ]*' /proc/mounts | sort -u")
    mounts = bundle.run(runtime).stdout.splitlines()
    assert {"/own", "/counted", "/dev", "/dev/shm", "/dev/pts"} <= set(mounts)
    assert not {"/proc", "/sys", "/dev/mqueue", "/sys/fs/cgroup"} & set(mounts)
    assert f'context="{FILES}"' in mounts[-1]
