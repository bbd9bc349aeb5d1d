"""A program that executes ringrun's command lines with a fault at one operation, each in a process of its own.

Usage: python -m tests.crash.failing. Each line of its input is a JSON list, [OPERATION, WORD...]; each line of its
output is one too: [exit status, what was printed on standard error, descriptors that were open after and not before].
"""

from __future__ import annotations

import errno
import json
import os
import sys
import tempfile

from ringfence.runtime import ringrun


def attempt(operation: int, words: list[str]) -> list[object]:
    """Fork, so that no attempt sees what another has imported, opened or cached."""
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as left:
        pid = os.fork()
        if pid == 0:
            null = os.open("/dev/null", os.O_RDWR)
            os.dup2(null, 0), os.dup2(null, 1), os.dup2(said.fileno(), 2)
            before = set(os.listdir("/proc/self/fd"))
            status = ringrun.main(words, fault=(operation, errno.EXDEV))
            after = {name: target(name) for name in {*os.listdir("/proc/self/fd")} - before}
            json.dump([f"{name} {what}" for name, what in after.items() if what], left)
            left.flush()
            sys.stderr.flush()
            os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        said.seek(0), left.seek(0)
        return [status, said.read(), json.load(left)]


def target(name: str) -> str:
    """What a descriptor leads to; nothing for one that has been closed."""
    try:
        found = os.readlink(f"/proc/self/fd/{name}")
        return "" if os.path.basename(found) == "ringinit" else found  # the sealed helper, opened once for good
    except FileNotFoundError:
        return ""


def main() -> None:
    for line in sys.stdin:
        operation, *words = json.loads(line)
        print(json.dumps(attempt(operation, words)), flush=True)


if __name__ == "__main__":
    main()
