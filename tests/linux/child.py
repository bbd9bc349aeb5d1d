"""Work in a child process with namespaces of its own, so that a test may mount, and nothing is left when it ends."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable

from ringfence.linux import mounts, namespaces
from ringfence.linux.namespaces import Clone


def run(work: Callable[[], None], unshare: int = Clone.NEWNS) -> None:
    """Call `work` in a forked child that has left the namespaces of `unshare`; what it raises fails the test.

    With NEWNS, nothing mounted there reaches the host: propagation is cut before `work` begins.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        report = ""
        try:
            namespaces.unshare(unshare)
            if unshare & Clone.NEWNS:
                mounts.mount(None, "/", None, mounts.MountFlag.REC | mounts.MountFlag.PRIVATE)
            work()
        except BaseException:
            report = traceback.format_exc()
        finally:
            os.write(writer, report.encode()[-60000:])
            os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8", errors="replace") as stream:
        report = stream.read()
    os.waitpid(pid, 0)
    assert not report, report
