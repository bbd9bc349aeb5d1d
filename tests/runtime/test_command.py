"""A runtime that is a command: faults at every operation of its plan, and whatever it may print."""

from __future__ import annotations

import errno
import json
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.errors import CannotExecute, Failed, RingfenceError
from ringfence.runtime.command import CommandRuntime
from ringfence.runtime.failure import refusal
from ringfence.runtime.interface import Launch, Monitoring
from tests import leaks, needs
from tests.bundles import Bundle

STATE = "state"


@pytest.fixture
def runc(short_directory: Path) -> CommandRuntime:
    needs.root()
    needs.program("runc")
    return CommandRuntime("runc", "/usr/sbin/runc", str(short_directory / STATE))


def launch_of(bundle: Bundle, script: str = "true") -> Launch:
    bundle.shell(script)
    return Launch(bundle.id, bundle.spec, str(bundle.path), monitoring=Monitoring())


def finish(runtime: CommandRuntime, launch: Launch) -> tuple[int, bytes, bytes]:
    from ringfence.engine.session import Session

    result = Session(launch.id, runtime.start(launch).control, tty=False).collect()
    runtime.delete(launch.id)
    return result


def test_a_bundle_with_a_tree_of_its_own_runs(runc: CommandRuntime, bundle: Bundle) -> None:
    """Without a snapshot the spec's own root.path is the root, and relative sources are the bundle's."""
    (bundle.path / "source").mkdir()
    (bundle.path / "source" / "file").write_text("bound\n")
    bundle.mount("/bound", "bind", "source", "bind", "ro")

    assert finish(runc, launch_of(bundle, "cat /bound/file; exit 3")) == (3, b"bound\n", b"")


@pytest.mark.parametrize("fault", [errno.EXDEV, -signal.SIGKILL])
def test_a_fault_at_any_operation_leaves_nothing(
    runc: CommandRuntime, bundle: Bundle, short_directory: Path, fault: int
) -> None:
    launch = launch_of(bundle)
    finish(runc, launch)
    before = leaks.Census.take(short_directory)
    operations = runc.plan(launch).operations

    for number, operation in enumerate(operations):
        launch.fault = (number, fault)
        with pytest.raises(RingfenceError) as caught:
            runc.start(launch).control.close()
        if fault > 0:
            assert isinstance(caught.value, Failed) and caught.value.errno == fault
            assert f"operation {number} of {len(operations)}" in caught.value.__notes__[0], operation
        assert not (Path(runc.root) / launch.id).exists()
    leaks.assert_nothing_left(before)

    launch.fault = (-1, 0)
    assert finish(runc, launch)[0] == 0


@pytest.mark.parametrize("answer", ["", "null", "[]", "[1", '{"a": 1}', '["x"]', "[1, 2]"])
def test_what_ps_prints_is_a_list_of_numbers_or_refused(bundle: Bundle, short_directory: Path, answer: str) -> None:
    needs.root()
    script = short_directory / "runtime"
    script.write_text(
        "#!/bin/sh\nlast() { shift $(($# - 1)); echo $1; }\n"
        'case " $* " in *" ps "*) cat ' + f"{short_directory}/answer" + " ;;\n"
        '*" create "*) sleep 5 & while [ "$1" != --pid-file ]; do shift; done; echo $! >"$2" ;; esac\n'
    )
    script.chmod(0o755)
    (short_directory / "answer").write_text(answer)
    runtime = CommandRuntime("mine", str(script), str(short_directory / STATE))
    launch = launch_of(bundle)
    runtime.start(launch).control.close()
    try:
        found = runtime.processes(launch.id)
        assert found == [1, 2] or answer in ("null", "[]")
    except Failed as error:
        assert "no list of process ids" in str(error)
        assert not _is_list(answer)
    finally:
        runtime.delete(launch.id, force=True)


def _is_list(text: str) -> bool:
    try:
        return all(isinstance(entry, int) for entry in json.loads(text) or ())
    except ValueError:
        return False


@given(st.text())
def test_whatever_a_runtime_prints_becomes_one_line(said: str) -> None:
    # One line that names the runtime, an error of ours, never another exception.
    error = refusal("/usr/bin/crun", said)
    assert isinstance(error, Failed) and error.what.startswith("crun") and len(error.what.splitlines()) == 1


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ('runc create failed: unable to start container process: exec: "x": executable file not found in $PATH',
         errno.ENOENT),
        ('exec failed: unable to start container process: exec: "/x": permission denied', errno.EACCES),
        ("executable file `x` not found in $PATH: No such file or directory", errno.ENOENT),
        ("open executable: Permission denied", errno.EACCES),
        ('chdir to cwd ("/nowhere") set in config.json failed: no such file or directory', errno.EACCES),
    ],
)  # fmt: skip
def test_a_program_that_is_missing_is_told_from_one_that_cannot_run(said: str, number: int) -> None:
    error = refusal("/usr/sbin/runc", said)
    assert isinstance(error, CannotExecute) and error.errno == number


def test_other_failures_are_none_of_the_programs() -> None:
    assert not isinstance(refusal("runc", 'error mounting "/tmp" to rootfs: no such file or directory'), CannotExecute)
