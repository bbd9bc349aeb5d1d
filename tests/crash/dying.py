"""A program that runs one container and dies, by kill -9, with the executor of the plan at the operation it is told.

Usage: python -m tests.crash.dying ROOT STATE OPERATION   (exit status 0: there is no such operation, all went well)
"""

from __future__ import annotations

import os
import signal
import sys

from ringfence import Engine
from ringfence.errors import RingfenceError
from ringfence.runtime.interface import Launch, Started
from ringfence.runtime.native import OciRuntime


class DyingRuntime(OciRuntime):
    """Ours, but the executor is killed at `operation`; and then we are, before we could clean up after it."""

    operation = -1

    def start(self, launch: Launch) -> Started:
        launch.fault = (self.operation, -signal.SIGKILL)
        try:
            return super().start(launch)
        except RingfenceError:
            os.kill(os.getpid(), signal.SIGKILL)
            raise


def main(root: str, state: str, operation: int) -> None:
    runtime = DyingRuntime(state)
    runtime.operation = operation
    with Engine(root=root, state=state, runtime=runtime) as engine:
        engine.run("host", ["true"], network="none", rm=True, memory="64m", name="dying", volume=["kept:/kept"])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
