"""`--help`, and the documents that come from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ringfence.cli import help, template_functions, verbs

DOCS = Path(__file__).parent.parent.parent / "docs"
GROUPED = {module for _, modules in verbs.GROUPS.values() for module in modules.values()}
ALL = sorted({*verbs.ALONE.values(), *verbs.ALIASES.values(), *GROUPED})


def test_the_manual_is_what_help_prints() -> None:
    assert (DOCS / "cli.md").read_text() == help.manual(), "python -m ringfence.cli.help > docs/cli.md"


def test_every_function_of_templates_is_told_in_the_manual() -> None:
    text = (DOCS / "format.md").read_text().partition("Functions:")[2].partition("\n\n")[0]
    named = {word for part in text.split("`")[1::2] for word in part.split() if word.isalpha()}

    assert named >= template_functions.FUNCTIONS.keys()


@pytest.mark.parametrize("module", ALL)
def test_every_verb_tells_what_it_does_and_what_its_flags_do(module: str) -> None:
    verb = verbs.load(module)

    assert verb.summary and not verb.summary.endswith(".")
    names = [flag.name for flag in verb.flags] + [flag.short for flag in verb.flags if flag.short]
    assert len(names) == len(set(names))
    for flag in verb.flags:
        assert flag.doc or flag.alias_of


def test_lines_are_wrapped_at_the_width() -> None:
    text = help.text("ringfence run", verbs.load("run"), width=90)

    assert max(len(line) for line in text.splitlines()) <= 90


def test_hidden_flags_and_verbs_are_not_shown() -> None:
    assert "--gpus" not in help.text("ringfence run", verbs.load("run"), 100)
    assert "exited" not in help.text("ringfence container", None, 100)
