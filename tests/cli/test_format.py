"""`--format` over the rows of a listing."""

from __future__ import annotations

import pytest

from ringfence.cli.format import Format
from ringfence.errors import InvalidInput

HEADINGS = {"ID": "CONTAINER ID", "Names": "NAMES", "Ports": "PORTS"}
ROWS = [
    {"ID": "0123456789ab", "Names": "web", "Ports": "", "Label": lambda name: f"{name}!"},
    {"ID": "ba9876543210", "Names": "a_rather_long_name", "Ports": "80/tcp", "Label": lambda name: ""},
]


def formatted(source: str) -> str:
    return Format(source).text(ROWS, HEADINGS, ("ID", "Ports", "Names"))


@pytest.mark.parametrize("source", ["", "table"])
def test_a_table_has_docker_s_columns(source: str) -> None:
    assert formatted(source) == (
        "CONTAINER ID   PORTS     NAMES\n"
        "0123456789ab             web\n"
        "ba9876543210   80/tcp    a_rather_long_name\n"
    )  # fmt: skip


def test_a_table_template_makes_its_heading_itself() -> None:
    assert formatted(r'table {{.Names}}\t{{.ID}}\t{{.Label "tier"}}') == (
        "NAMES                CONTAINER ID   tier\n"
        "web                  0123456789ab   tier!\n"
        "a_rather_long_name   ba9876543210   \n"
    )


def test_a_template_prints_a_line_for_each_row() -> None:
    assert formatted(r"{{.Names}}:\t{{upper .ID}}") == "web:\t0123456789AB\na_rather_long_name:\tBA9876543210\n"


@pytest.mark.parametrize("source", ["json", "{{json .}}"])
def test_json_prints_one_object_for_each_row(source: str) -> None:
    assert formatted(source).splitlines()[0] == '{"ID":"0123456789ab","Names":"web","Ports":""}'


def test_no_rows_make_a_heading_only() -> None:
    assert Format("").text([], HEADINGS, ("ID", "Names")) == "CONTAINER ID   NAMES\n"
    assert Format("{{.ID}}").text([], HEADINGS, ("ID",)) == ""


def test_the_fields_wanted_are_known_for_a_template_only() -> None:
    assert Format("{{.Size}} {{.ID}}").wanted == {"Size", "ID"}
    assert Format("").wanted is None


def test_a_wrong_template_is_told_in_docker_s_words() -> None:
    with pytest.raises(InvalidInput, match=r"^failed to parse template: template: :1: unclosed action$"):
        Format("{{")
