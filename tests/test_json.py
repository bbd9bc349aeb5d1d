"""Our way to the standard library's JSON gives what `json` gives, values and errors alike."""

from __future__ import annotations

import json as standard
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence import json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
STYLES: list[dict[str, Any]] = [
    {},
    {"ensure_ascii": False, "separators": (",", ":")},
    {"sort_keys": True},
    {"indent": 2, "separators": (",", ": ")},
    {"default": str},
]


@pytest.mark.parametrize("style", STYLES)
@given(VALUES)
def test_every_value_is_written_as_by_the_standard_library_and_read_back(style: dict[str, Any], value: Any) -> None:
    # Invariant: for every JSON value, dumps gives json.dumps's text, and loads gives the value back.
    text = json.dumps(value, **style)
    assert text == standard.dumps(value, **style)
    assert json.loads(text) == value
    assert json.loads(f"\n {text}\t".encode("utf-8", "surrogatepass")) == value


@given(st.text(alphabet='{}[]",:0123456789.eE+-\\/truefalsn NaI\n\t\ufeff\x00\ud800\u00e4') | st.binary(max_size=40))
def test_every_text_is_read_as_by_the_standard_library(text: str | bytes) -> None:
    # Invariant: for whatever text, loads gives json.loads's value or raises its very error.
    assert outcome(json.loads, text) == outcome(standard.loads, text)


@pytest.mark.parametrize("text", ["", " ", "[1,]", '{"a" 1}', "1 2", "nul", "[" * 100_000, '"\n"', "\ufeff1"])
def test_what_is_wrong_is_told_in_the_same_words(text: str) -> None:
    assert outcome(json.loads, text) == outcome(standard.loads, text)


@pytest.mark.parametrize("text", ["[[ 1 = 1 ]]", "[1,]", '{"a" 1}', '["a', '"\\x"', "{1: 2}"])
def test_what_is_wrong_is_told_where_nobody_has_imported_the_standard_library_s(text: str) -> None:
    script = f"import sys; from ringfence import json; assert 'json' not in sys.modules; json.loads({text!r})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == f"json.decoder.JSONDecodeError: {outcome(standard.loads, text)[1]}"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32-be"])
def test_other_encodings_are_understood_too(encoding: str) -> None:
    assert json.loads('{"a": "ä"}'.encode(encoding)) == {"a": "ä"}


def test_constants_that_json_does_not_have_are_the_callers_to_refuse() -> None:
    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not a JSON value")

    assert json.loads("[-Infinity]") == [float("-inf")]
    with pytest.raises(ValueError, match="-Infinity is not a JSON value"):
        json.loads("[-Infinity]", parse_constant=refuse)


def test_what_json_has_no_words_for_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="Object of type set is not JSON serializable"):
        json.dumps([{1}])
    assert json.dumps([{1}], default=list) == "[[1]]"
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(ValueError, match="Circular reference detected"):
        json.dumps(circle)


def outcome(loads: Any, text: str | bytes) -> Any:
    try:
        return repr(loads(text))
    except (ValueError, RecursionError) as error:
        return type(error), str(error)
