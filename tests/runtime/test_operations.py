"""The table of operations is the same on both sides: operations.py and native/ringinit.c."""

from __future__ import annotations

from pathlib import Path

import pytest

from ringfence.errors import Failed
from ringfence.runtime.execute import execute
from ringfence.runtime.operations import CODES, OPERATIONS, of
from ringfence.runtime.plan import Plan
from tests import needs

SOURCE = Path(__file__).parents[2] / "native" / "ringinit.c"


def test_the_codes_are_the_positions_in_the_helpers_enumeration() -> None:
    body = SOURCE.read_text().split("enum operation {", 1)[1].split("}", 1)[0]
    names = [word.strip() for word in body.split(",")]

    assert names[-1] == "OPERATIONS"
    assert names[:-1] == [name for name, _arguments, _text in OPERATIONS]


def test_every_operation_is_carried_out_by_the_helper() -> None:
    switch = SOURCE.read_text().split("static void execute(enum operation code)", 1)[1]

    assert [name for name in CODES if f"case {name}:" not in switch] == []


def test_every_text_names_only_arguments_that_the_operation_has() -> None:
    for name in CODES:
        _code, arguments, text = of(name)
        assert text.format_map({argument: "" for _kind, argument in arguments}) is not None, name


def test_argument_kinds_are_the_four_that_can_be_encoded() -> None:
    assert {kind for name in CODES for kind, _name in of(name)[1]} == set("sbil")


def test_a_helper_that_was_built_for_another_table_says_so(tmp_path: Path) -> None:
    """As after an update without a build: the codes of operations would mean others."""
    needs.root()
    plan = Plan()
    encoded = bytearray(plan.encode())
    encoded[3] += 1
    with pytest.raises(Failed, match="ringinit was built for another version"):
        execute(plan, bytes(encoded), str(tmp_path))
