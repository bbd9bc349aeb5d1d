"""Ctrl-C at any instruction from the helper's report to its record: no container goes on that nobody knows of."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from ringfence.linux import cgroups
from ringfence.runtime import create, execute
from ringfence.runtime.interface import Launch, Monitoring
from ringfence.runtime.native import OciRuntime
from tests import leaks
from tests.bundles import Bundle

FILES = (create.__file__, execute.__file__)


class Interruption:
    """KeyboardInterrupt at instruction `number` of those two files, counted from the wait for the report on."""

    def __init__(self, number: int) -> None:
        self.left = number
        self.counting = False
        self.where = ""

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if frame.f_code.co_filename not in FILES:
            return None
        frame.f_trace_opcodes = True
        self.counting = self.counting or frame.f_code.co_name == "_report"
        if event == "opcode" and self.counting:
            self.left -= 1
            if self.left < 0:
                self.where = f"{frame.f_code.co_name}, line {frame.f_lineno}"
                raise KeyboardInterrupt
        return self


@contextmanager
def interrupted(number: int) -> Iterator[Interruption]:
    interruption = Interruption(number)
    before = sys.gettrace()
    sys.settrace(interruption)
    try:
        yield interruption
    except KeyboardInterrupt:
        assert interruption.where
    finally:
        sys.settrace(before)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # sockets that the interrupted had
def test_ctrl_c_from_the_report_to_the_record_leaves_no_container_that_is_not_known(
    bundle: Bundle, runtime: OciRuntime, short_directory: Path
) -> None:
    bundle.run(runtime)
    bundle.spec["process"]["args"] = ["/bin/sleep", "60"]
    launch = Launch(bundle.id, bundle.spec, str(bundle.path), monitoring=Monitoring())
    driver = cgroups.usable()
    cgroup = f"{driver.base}{create.cgroup_path(bundle.spec, bundle.id)}"
    before = leaks.Census.take(short_directory)
    number = 0
    while True:
        began = time.monotonic()
        with interrupted(number) as interruption:
            runtime.start(launch).control.close()
        if not interruption.where:
            break
        assert time.monotonic() - began < 30, f"waited for the program at {interruption.where}"
        if (Path(runtime.root) / launch.id).exists():
            runtime.delete(launch.id, force=True)  # it is known
        assert not driver.exists(cgroup), f"goes on after {interruption.where}"
        number += 1
    assert number > 50
    runtime.delete(launch.id, force=True)
    leaks.assert_nothing_left(before)
