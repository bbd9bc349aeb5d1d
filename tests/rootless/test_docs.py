"""docs/rootless.md tells the truth: its examples are run as an ordinary user."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tests.rootless.people import Person

PAGE = Path(__file__).parent.parent.parent / "docs/rootless.md"


def test_the_examples_run_and_print_what_they_say(alice: Person) -> None:
    blocks = re.findall(r"^```sh rootless\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    alice("mkdir", "-p", alice.home / "shared")
    command = shlex.join(alice.argv("ringfence"))

    done = alice("bash", "-c", "\n".join(["set -eu", f'ringfence() {{ {command} "$@"; }}', *blocks]))

    assert (done.returncode, done.stderr) == (0, "")
    expected = [line for block in blocks for line in re.findall(r"^# prints: (.*)$", block, re.MULTILINE)]
    assert done.stdout.splitlines() == expected


def test_the_python_example_runs(alice: Person) -> None:
    (script,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    done = alice(alice.python, "-c", script.replace('["id"]', '["true"]'))
    assert (done.returncode, done.stderr) == (0, "")


def test_an_engine_without_root_says_what_to_call(alice: Person) -> None:
    done = alice(alice.python, "-c", "import ringfence; ringfence.Engine()")
    assert "call ringfence.enter_user_namespace() first" in done.stderr
