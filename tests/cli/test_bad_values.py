"""Whatever stands in the place of a value or a name: it is taken, or told in one line with docker's exit code.

The cases come from the program's own tables: every verb, every flag of it that takes a value, every operand that its
usage names. A new verb or flag is tried here without anybody adding it. All run in this process, on containers, a
volume and a group that are there, so that not only the parsers are reached; at the end nothing may be left.
"""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ringfence import Engine
from ringfence.cli import verbs
from ringfence.cli.main import main
from ringfence.cli.parser import Flag
from ringfence.cli.verb import Verb
from tests import leaks
from tests.conftest import copy_by_links

VALUES = [
    "", " ", "x", "-1", "0", "99999999999999999999999", "1.5", "\udcff", "a\nb", "=", ":", ",", "a=b", "{{.",
    "A" * 5000, "é\x1b[31m", "file", "directory", "none/none", "container:none",
]  # fmt: skip
NAMES = [
    "", " ", "x", "\udcff", "a\nb", "none/none", "A" * 5000, "é\x1b[31m", "@", ":", "UPPER", "box:\udcff", "-",
    "0" * 20,  # of which no id begins
]  # fmt: skip
# What the words of a usage stand for here; every other word is taken for something that is not there.
THERE = {
    "CONTAINER": "box", "IMAGE": "host", "VOLUME": "vol", "GROUP": "grp", "COMMAND": "true", "PATH": "directory",
    "SOURCE_IMAGE[:TAG]": "host", "CONTAINER:SRC_PATH": "box:/etc/passwd", "DEST_PATH|-": "copied",
    "REGISTRY": "localhost:1", "TERM": "localhost:1/x", "NAME[:TAG|@DIGEST]...": "localhost:1/x",
}  # fmt: skip
# What makes verbs end that would go on, keeps them from registries far away, and from telling what they are doing.
QUIET = {
    "build": ["--quiet"], "create": ["--pull", "never"], "events": ["--until", "0"], "exec": ["--user", "0"],
    "group_stats": ["--no-stream"], "load": ["--input", "file"], "pull": ["--quiet"], "push": ["--quiet"],
    "run": ["--pull", "never"], "stats": ["--no-stream"],
}  # fmt: skip
# Named like this, run never starts anything: what a start may say is told in test_bad_input.py.
OPERANDS = {
    "exec": ["up", "true"], "kill": ["nonesuch"], "manifest_inspect": ["localhost:1/x"],
    "rename": ["nonesuch", "other"], "restart": ["nonesuch"], "rm": ["nonesuch"], "rmi": ["nonesuch"],
    "run": ["nonesuch"], "start": ["nonesuch"],
    "top": ["up"], "untag": ["nonesuch"], "volume_rm": ["nonesuch"],
}  # fmt: skip
LONGEST = 30  # seconds that a case may take


def every_verb() -> dict[str, tuple[str, ...]]:
    """The words that lead to each module."""
    found: dict[str, tuple[str, ...]] = {}
    for word, module in verbs.ALONE.items():
        found.setdefault(module, (word,))
    for group, (_, modules) in verbs.GROUPS.items():
        for word, module in modules.items():
            found.setdefault(module, (group, word))
    for (group, word), module in verbs.ALIASES.items():
        found.setdefault(module, (group, word))
    return found


VERBS = every_verb()
for module in ("build", "commit", "import_"):  # tried last: many images make those slow that count them
    VERBS[module] = VERBS.pop(module)
FLAGS = [
    (module, flag) for module in VERBS for flag in verbs.load(module).flags if flag.kind != "flag" and not flag.alias_of
]


def operands(module: str, verb: Verb) -> list[str]:
    """As many as the verb needs, or one that it may have, each of the kind that its usage names."""
    if module in OPERANDS:
        return OPERANDS[module]
    words = [word.strip("[]") for word in verb.usage.partition("  or  ")[0].split() if word != "[OPTIONS]"]
    return [THERE.get(word, "nonesuch") for word in words[: max(verb.least, min(verb.most, 1))]]


Told = tuple[int, str]
Run = Callable[..., Told]


@pytest.fixture(scope="module")
def place(host_root: Path) -> Iterator[Path]:
    """Directories with the host image, a created and a running container, a volume and a group; none is lost."""
    directory = Path(tempfile.mkdtemp(prefix="rf-", dir="/tmp"))
    before = leaks.Census.take(directory)
    copy_by_links(host_root, directory / "root")
    (directory / "here" / "directory").mkdir(parents=True)
    (directory / "here" / "file").write_text("no archive\n")
    (directory / "here" / "directory" / "Dockerfile").write_text("FROM scratch\nLABEL a=b\n")
    with Engine(root=str(directory / "root"), state=str(directory / "state")) as engine:
        engine.create("host", ["true"], name="box", network="none")
        engine.run("host", ["sleep", "1000"], name="up", network="none", detach=True)
        engine.volume_create("vol")
        engine.group_create("grp")
        yield directory
        assert engine.inspect("up")["State"]["Running"] and engine.inspect("box")["State"]["Status"] == "created"
        for container in engine.ps(all=True):
            engine.rm(container["Id"], force=True, volumes=True)
        for group in reversed(engine.group_ls()):
            engine.group_rm(group["Name"])
    leaks.assert_nothing_left(before, files=False)


@pytest.fixture
def told(place: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs a command line to its end: its exit code and what it wrote to stderr."""

    def run(*words: str) -> Told:
        signal.alarm(LONGEST)
        try:
            status = main(["--root", str(place / "root"), "--state", str(place / "state"), *words])
        finally:
            signal.alarm(0)
        return status, capfd.readouterr().err

    def late(*_: object) -> None:
        raise AssertionError("it goes on and on")

    handler, before = signal.signal(signal.SIGALRM, late), os.getcwd()
    os.chdir(place / "here")
    yield run
    os.chdir(before)
    signal.signal(signal.SIGALRM, handler)
    with Engine(root=str(place / "root"), state=str(place / "state")) as engine:
        for container in engine.ps(all=True):
            if container["Names"] not in (["/box"], ["/up"]):
                engine.rm(container["Id"], force=True, volumes=True)


def complaint(module: str, words: tuple[str, ...], status: int, err: str) -> str:
    """What is wrong with that answer; empty if nothing is."""
    lines = [line for line in err.split("\n")[:-1] if not line.startswith("WARNING")]
    said = f"{[word[:60] for word in words]} -> {status} {err[:500]!r}"
    if status == 0 or (module.endswith("_exists") and (status, err) == (1, "")):  # they answer by the exit code alone
        return ""
    if len(lines) != 1 or not lines[0].startswith("ringfence: ") or not lines[0].isprintable():
        return said
    if " bug " in err or status not in (1, 125, 126, 127):
        return said
    return ""


@pytest.mark.parametrize(("module", "flag"), FLAGS, ids=str)
def test_any_value_of_a_flag_is_taken_or_told_in_one_line(module: str, flag: Flag, told: Run, place: Path) -> None:
    verb, complaints = verbs.load(module), []
    for value in VALUES:
        words = (*VERBS[module], f"--{flag.name}={value}", *QUIET.get(module, ()), *operands(module, verb))
        if words.count(f"--{flag.name}") == 0:  # a flag that QUIET gives as well would win over the one tried
            complaints.append(complaint(module, words, *told(*words)))
    assert not any(complaints), "\n".join(filter(None, complaints))


@pytest.mark.parametrize("module", [module for module in VERBS if verbs.load(module).most])
def test_any_operand_is_taken_or_told_in_one_line(module: str, told: Run, place: Path) -> None:
    verb, complaints = verbs.load(module), []
    usual = operands(module, verb)
    for position in range(len(usual)):
        for name in NAMES:
            named = [*usual[:position], name, *usual[position + 1 :]]
            words = (*VERBS[module], *QUIET.get(module, ()), "--", *named)
            complaints.append(complaint(module, words, *told(*words)))
    assert not any(complaints), "\n".join(filter(None, complaints))
