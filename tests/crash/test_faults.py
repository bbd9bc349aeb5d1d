"""A fault at every operation of a plan: the error names the operation, and nothing is left behind."""

from __future__ import annotations

import errno
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ringfence.errors import CannotExecute, Failed, RingfenceError
from ringfence.runtime.interface import Launch, Monitoring
from ringfence.runtime.native import OciRuntime
from ringfence.runtime.plan import Plan
from tests import leaks
from tests.bundles import Bundle, exec_in


def rich(bundle: Bundle, short_directory: Path) -> Launch:
    """A container whose plan has most kinds of operations: but for a user namespace's, see `mapped`."""
    source = short_directory / "source"
    source.mkdir()
    bundle.shell("true").mount("/source", "bind", source, "rbind", "ro")
    bundle.mount("/run", "tmpfs", "tmpfs", "mode=755").mount("/etc/motd", "bind", "/etc/os-release", "bind", "ro")
    linux = bundle.spec["linux"]
    linux["resources"] |= {"memory": {"limit": 64 << 20}, "cpu": {"shares": 512}, "pids": {"limit": 50}}
    linux["sysctl"] = {"net.ipv4.ip_forward": "0"}
    linux["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["kexec_load"], "action": "SCMP_ACT_ERRNO"}],
    }
    bundle.spec["domainname"] = "example"
    bundle.spec["process"]["cwd"] = "/tmp"
    monitoring = Monitoring(
        attach_socket=str(short_directory / "attach.sock"), exit_file=str(short_directory / "exit.json")
    )
    return Launch(bundle.id, bundle.spec, str(bundle.path), monitoring=monitoring)


def mapped(bundle: Bundle, short_directory: Path) -> Launch:
    """The same with a user namespace."""
    launch = rich(bundle, short_directory)
    ids = [{"containerID": 0, "hostID": 1_000_000, "size": 65536}]
    launch.spec["linux"] |= {"uidMappings": ids, "gidMappings": ids}
    launch.spec["linux"]["namespaces"].append({"type": "user"})
    short_directory.chmod(0o755)
    subprocess.run(["chown", "-R", "1000000:1000000", bundle.rootfs], check=True)
    return launch


def operations(runtime: OciRuntime, launch: Launch) -> Iterator[tuple[int, Plan]]:
    """Every operation's number, with the plan as it is at that moment.

    It is shorter once somebody has given the cgroup above all containers' its CPUs, and longer again when that cgroup
    was removed meanwhile: in a plan of before, the last faults were at operations that there are no more.
    """
    number = 0
    while number < len((plan := runtime.plan(launch)).operations):
        yield number, plan
        number += 1
    assert number > 70


kinds = pytest.mark.parametrize("kind", [rich, mapped])


@kinds
def test_an_operation_that_fails_is_named_and_all_before_it_is_undone(
    kind: Callable[[Bundle, Path], Launch], bundle: Bundle, runtime: OciRuntime, short_directory: Path
) -> None:
    launch = kind(bundle, short_directory)
    bundle.run(runtime)  # what the first container makes for all: the directory of states, the parent cgroup
    before = leaks.Census.take(short_directory)
    for number, plan in operations(runtime, launch):
        launch.fault = (number, errno.EXDEV)
        with pytest.raises((Failed, CannotExecute)) as caught:
            runtime.start(launch).control.close()
        assert caught.value.errno == errno.EXDEV, plan.describe(number)
        notes = "".join(getattr(caught.value, "__notes__", []))
        assert f"operation {number} of" in notes or isinstance(caught.value, CannotExecute)
        leaks.assert_nothing_left(before)  # at once and not in the end: the operation is what one wants to know


@kinds
def test_an_executor_that_is_killed_at_an_operation_leaves_nothing_either(
    kind: Callable[[Bundle, Path], Launch], bundle: Bundle, runtime: OciRuntime, short_directory: Path
) -> None:
    """The helper cannot undo anything then; the command that waits for its report does."""
    launch = kind(bundle, short_directory)
    bundle.run(runtime)
    before = leaks.Census.take(short_directory)
    for number, plan in operations(runtime, launch):
        launch.fault = (number, -signal.SIGKILL)
        with pytest.raises(RingfenceError):
            runtime.start(launch).control.close()
        assert not (Path(runtime.root) / launch.id).exists(), plan.describe(number)
    leaks.assert_nothing_left(before, files=False)


def test_after_a_failed_start_the_same_id_starts(bundle: Bundle, runtime: OciRuntime, short_directory: Path) -> None:
    launch = rich(bundle, short_directory)
    for fault in (len(runtime.plan(launch).operations) // 2, len(runtime.plan(launch).operations) - 1):
        launch.fault = (fault, errno.EIO)
        with pytest.raises(RingfenceError):
            runtime.start(launch).control.close()
    launch.fault = (-1, 0)
    assert bundle.run(runtime).exit_code == 0


@pytest.mark.parametrize("error", [Failed("on purpose"), KeyboardInterrupt()], ids=["error", "Ctrl-C"])
def test_a_start_that_is_given_up_by_its_caller_leaves_nothing(
    bundle: Bundle, runtime: OciRuntime, error: BaseException
) -> None:
    """Also where the helper is about to ask for the networks, and would wait for them."""

    def give_up() -> None:
        raise error

    connected: list[int] = []
    launch = Launch(bundle.id, bundle.spec, str(bundle.path), monitoring=Monitoring(), connect=connected.append,
                    meanwhile=give_up)  # fmt: skip
    with pytest.raises(type(error)):
        runtime.start(launch)
    assert not connected and not (Path(runtime.root) / bundle.id).exists()
    assert bundle.run(runtime).exit_code == 0


def test_a_program_that_cannot_be_executed_leaves_nothing(bundle: Bundle, runtime: OciRuntime) -> None:
    for program in ("/no/such", "nosuch", "/etc/passwd", "/tmp"):
        bundle.spec["process"]["args"] = [program]
        with pytest.raises(CannotExecute):
            bundle.run(runtime)
        assert not (Path(runtime.root) / bundle.id).exists()


def test_an_exec_that_fails_leaves_the_container_running(bundle: Bundle, runtime: OciRuntime) -> None:
    bundle.shell("exec sleep 30").start(runtime)
    before = runtime.processes(bundle.id)
    for program in ("/no/such", "nosuch", "/etc/passwd"):
        with pytest.raises(CannotExecute):
            exec_in(runtime, bundle, [program])
    assert runtime.status(bundle.id)["status"] == "running"
    deadline = time.monotonic() + 5
    while runtime.processes(bundle.id) != before and time.monotonic() < deadline:
        time.sleep(0.01)  # the failed one's process reports before it ends
    assert runtime.processes(bundle.id) == before
