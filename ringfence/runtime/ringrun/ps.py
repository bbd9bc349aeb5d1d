"""`ringrun ps`: the processes of a container, as the machine's own `ps` shows them, or their pids as JSON."""

from __future__ import annotations

from ringfence import json
from ringfence.commandline import UsageError
from ringfence.errors import Failed
from ringfence.runtime.ps import processes_of
from ringfence.runtime.ringrun.list import FORMAT, in_json
from ringfence.runtime.ringrun.verb import MANY, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.runtime.ringrun.verb import Call


def run(call: Call) -> int:
    pids = processes_of(call.record(), call.driver())
    if in_json(call):
        print(json.dumps(pids))
        return 0
    head, *lines = _ps(call.flags.operands[1:] or ["-ef"])
    if "PID" not in head.split():
        raise UsageError("ps: these options give no column PID")
    column = head.split().index("PID")
    print(head)
    for line in lines:
        if int(line.split()[column]) in pids:
            print(line)
    return 0


def _ps(options: Sequence[str]) -> list[str]:
    import subprocess

    done = subprocess.run(["ps", *options], capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise Failed(f"ps {' '.join(options)}: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout.splitlines()


VERB = Verb(run, "CONTAINER [PS OPTIONS...]", "List the processes of a container as ps(1) does, by its options or -ef",
            (FORMAT,), (1, MANY), interspersed=False)  # fmt: skip
