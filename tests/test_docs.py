"""The documents tell the truth: their examples run, their links lead somewhere, and they name no machine.

A fenced block whose fence says `sh run` is executed by bash, with `set -e`, `ringfence` first on PATH and private data
and state directories; all such blocks of one document share a shell, in order. Lines `# prints: TEXT` say that these
texts are printed in this order, `# needs: PROGRAM` that it takes this program. The `python run` blocks of a document
are executed likewise, in one interpreter.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import needs

PROJECT = Path(__file__).parent.parent
DOCUMENTS = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md")])
FENCE = re.compile(r"^```(?P<language>sh|python) run\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)#\s]*)(?:#(?P<anchor>[^)\s]*))?\)")
MACHINE = re.compile(r"/work/|/home/\w|/root/|\.pyenv|pyenv")

every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT)))


def blocks(document: Path, language: str) -> list[str]:
    return [match["body"] for match in FENCE.finditer(document.read_text()) if match["language"] == language]


def having(language: str) -> pytest.MarkDecorator:
    chosen = [document for document in DOCUMENTS if blocks(document, language)]
    return pytest.mark.parametrize("document", chosen, ids=lambda path: str(path.relative_to(PROJECT)))


@pytest.mark.timeout(300)
@having("sh")
def test_the_shell_examples_run_and_print_what_they_say(document: Path, host_root: Path, short_directory: Path) -> None:
    needs.root()
    script = ["set -eu", "trap finish EXIT", FINISH]
    expected: list[str] = []
    for body in blocks(document, "sh"):
        script.append(body)
        needs.program(*re.findall(r"^# needs: (.*)$", body, re.MULTILINE))
        expected += re.findall(r"^# prints: (.*)$", body, re.MULTILINE)

    done = _execute(["bash", "-c", "\n".join(script)], host_root, short_directory)

    assert done.returncode == 0, done.stdout
    position = 0
    for text in expected:
        assert text in done.stdout[position:], f"{text!r} is not in what follows:\n{done.stdout[position:]}"
        position = done.stdout.index(text, position)


@pytest.mark.timeout(300)
@having("python")
def test_the_python_examples_run(document: Path, host_root: Path, short_directory: Path) -> None:
    needs.root()
    done = _execute([sys.executable, "-c", "\n".join(blocks(document, "python"))], host_root, short_directory)
    _execute(["bash", "-c", f"{FINISH}\nfinish"], host_root, short_directory)
    assert done.returncode == 0, done.stdout


FINISH = "finish() { for id in $(ringfence ps -aq); do ringfence rm -f -v $id >/dev/null; done; }"


def _execute(argv: list[str], host_root: Path, directory: Path) -> subprocess.CompletedProcess[str]:
    from tests.conftest import copy_by_links

    if not (directory / "root").exists():
        copy_by_links(host_root, directory / "root")
        (directory / "here").mkdir()
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(directory / "here"),
        "RINGFENCE_ROOT": str(directory / "root"),
        "RINGFENCE_STATE": str(directory / "state"),
    }
    return subprocess.run(
        argv, cwd=directory / "here", env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=280,
    )  # fmt: skip


@every_document
def test_links_lead_to_files_and_headings_that_exist(document: Path) -> None:
    broken = []
    for match in LINK.finditer(_prose(document)):
        target, anchor = match["target"], match["anchor"]
        if "://" in target or target.startswith("mailto:"):
            continue
        path = (document.parent / target).resolve() if target else document
        if not path.exists() or (anchor and path.suffix == ".md" and anchor not in _anchors(path)):
            broken.append(match[0])
    assert broken == []


@every_document
def test_paths_of_files_named_in_the_text_exist(document: Path) -> None:
    """Names in backticks that begin with a folder of ours: a renamed module must be renamed in the documents too."""
    named = re.findall(r"`((?:ringfence|tests|native|docs|tools|demo|bin|bench)/[\w./-]+)`", _prose(document))
    planned = set(re.findall(r"`([\w./-]+)` \(planned\)", _prose(document)))
    assert [name for name in named if name not in planned and not (PROJECT / name).exists()] == []


@every_document
def test_no_document_names_a_machine_of_its_author(document: Path) -> None:
    assert MACHINE.findall(document.read_text()) == []


@pytest.mark.parametrize("name", ["SPECIFICATION.md", "docs/security.md"])
def test_tests_named_in_the_specification_exist(name: str) -> None:
    text = (PROJECT / name).read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert named
    for path, test in named:
        assert re.search(rf"^(?:    )?def {test}\(", (PROJECT / path).read_text(), re.MULTILINE), f"{path}::{test}"


def test_every_promise_has_its_test_or_is_marked_pending() -> None:
    rows = [line for line in (PROJECT / "SPECIFICATION.md").read_text().splitlines() if re.match(r"\| \w+\d+ \|", line)]
    assert rows
    assert [row for row in rows if "tests/" not in row and "pending" not in row] == []


#: how many lines the runtime specification has in each section of docs/conformance/oci-runtime.md
LINES = {"A": 12, "B": 63, "C": 37, "D": 2, "E": 18, "F": 22, "G": 17, "H": 8, "I": 36, "J": 6, "K": 27, "L": 6, "M": 8,
         "N": 14}  # fmt: skip


def test_every_line_of_the_runtime_specification_is_told_once_with_its_proof() -> None:
    text = (PROJECT / "docs/conformance/oci-runtime.md").read_text()
    rows = re.findall(r"^\| ([A-N]\d\d) \| .+ \| (.*) \|$", text, re.MULTILINE)
    assert [line for line, _ in rows] == [
        f"{letter}{n:02}" for letter, count in LINES.items() for n in range(1, count + 1)
    ]
    assert [line for line, proof in rows if not re.search(r"`tests/|pending|cannot apply: ", proof)] == []
    for path, test in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text):
        assert re.search(rf"^(?:    )?def {test}\(", (PROJECT / path).read_text(), re.MULTILINE), f"{path}::{test}"


def _prose(document: Path) -> str:
    """The text without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)


def _anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", _prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
