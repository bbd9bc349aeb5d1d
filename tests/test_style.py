"""What CODING_STYLE.md asks for and no linter knows: size, names, honest tests, the licence."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
LONGEST = 400
# One subject each, and longer than the rule; an entry says why, and may not shrink unnoticed.
LONGER = {"ringfence/engine/__init__.py": "the front door: one method per verb with its documentation, and no logic"}
NATIVE_LONGEST = 2800  # executor, monitor, init, forwarder, other runtimes, live mounts: one file for any compiler
VAGUE = ("util", "utils", "helpers", "common", "misc", "manager")


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (PROJECT / folder).rglob("*.py"))


def tracked() -> list[Path]:
    """The files of the repository; in an unpacked source archive, where there is no git, everything in its folders."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=PROJECT, capture_output=True, text=True
    )
    if listed.returncode == 0:
        return [PROJECT / name for name in listed.stdout.splitlines() if (PROJECT / name).is_file()]
    return sources("ringfence", "tests")


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


@pytest.mark.parametrize("path", sources("ringfence"), ids=lambda path: str(path.relative_to(PROJECT)))
def test_a_module_has_one_subject_that_its_first_sentence_names(path: Path) -> None:
    documentation = ast.get_docstring(ast.parse(path.read_text()))
    assert documentation, "no docstring"
    assert str(path.relative_to(PROJECT)) in LONGER or lines(path) <= LONGEST, f"{lines(path)} lines"


def test_the_median_module_is_short() -> None:
    sizes = sorted(lines(path) for path in sources("ringfence"))
    assert sizes[len(sizes) // 2] <= 180, sizes


def test_exceptions_to_the_length_rule_are_still_needed() -> None:
    assert [name for name in LONGER if lines(PROJECT / name) <= LONGEST] == []


def test_the_native_helper_is_one_file_of_bounded_length() -> None:
    native = PROJECT / "native"
    assert sorted(path.name for path in native.iterdir()) == ["command.c", "ringinit.c"]
    assert lines(native / "ringinit.c") <= NATIVE_LONGEST and lines(native / "command.c") <= 100


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert [path for path in tracked() if path.stem in VAGUE or path.parent.name in VAGUE] == []


def test_tests_use_the_real_parts() -> None:
    """No part of ours is replaced by another in a test: `monkeypatch` is for the environment and the directory."""
    forbidden = re.compile(r"unittest\.mock|from mock|MagicMock|mocker\b|monkeypatch\.(setattr|setitem|delattr)")
    found = [
        f"{path.relative_to(PROJECT)}:{number}"
        for path in sources("tests")
        if path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if forbidden.search(line)
    ]
    assert found == []


def test_no_error_is_caught_and_dropped() -> None:
    """A broad except that does nothing hides what went wrong; a narrow one is the author's word that it is harmless."""
    found = []
    for path in sources("ringfence"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler) and all(isinstance(step, ast.Pass) for step in node.body):
                caught = "everything" if node.type is None else ast.unparse(node.type)
                if caught in ("everything", "Exception", "BaseException", "OSError", "RingfenceError"):
                    found.append(f"{path.relative_to(PROJECT)}:{node.lineno}: except {caught}: pass")
    assert found == []


def test_every_test_package_mirrors_a_package() -> None:
    mirrored = {path.name for path in (PROJECT / "ringfence").iterdir() if path.is_dir()}
    own = {"security", "crash", "lanes", "rootless", "peers"}
    there = {path.name for path in (PROJECT / "tests").iterdir() if (path / "__init__.py").exists()}
    assert there - mirrored - own == set()


def test_the_licence_is_apache_2_everywhere_it_is_named() -> None:
    text = (PROJECT / "LICENSE").read_text()
    assert "Apache License" in text and "END OF TERMS AND CONDITIONS" in text
    assert tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["license"]["text"] == "Apache-2.0"


def test_data_files_are_json_and_name_their_source() -> None:
    for path in (PROJECT / "ringfence").rglob("*.json"):
        content = json.loads(path.read_text())
        beside = [other.read_text() for other in path.parent.glob("*.py")]
        assert content and any(path.name in text for text in beside), f"{path} is used by nothing beside it"


def test_scripts_for_the_shell_are_executable_and_parse() -> None:
    for path in tracked():
        if path.suffix == ".sh" or path.relative_to(PROJECT).as_posix() == ".ci/run":
            assert path.stat().st_mode & 0o111, f"{path} is not executable"
            interpreter = path.read_text().splitlines()[0].removeprefix("#!").split()[-1]
            checked = subprocess.run([interpreter, "-n", path], capture_output=True, text=True)
            assert checked.returncode == 0, checked.stderr
