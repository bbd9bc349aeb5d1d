"""`--format`: a table, `table TEMPLATE`, `json`, or a Go template; see docs/format.md for people.

A listing verb makes rows: dicts of columns by docker's field names, whose values are texts (or callables, for
docker's methods). It names its headings in the same way, so that a template makes the heading line as well as the rows.
"""

from __future__ import annotations

from ringfence.cli import table
from ringfence.errors import InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from ringfence.cli.template import Template

HELP = (
    "How to print: 'table', 'table TEMPLATE' with a heading, 'json' (one object a line), or a Go template; "
    "see docs/format.md"
)
INSPECT_HELP = "How to print: 'json', or a Go template; see docs/format.md"


def parse(source: str, complaint: str = "failed to parse template") -> Template:
    """The template `source`, in which people may write `\\t` and `\\n`; InvalidInput says where it is wrong."""
    from ringfence.cli.template import Template, TemplateError

    try:
        return Template(source.strip(" ").replace("\\t", "\t").replace("\\n", "\n"))
    except TemplateError as error:
        raise InvalidInput(f"{complaint}: {error.what}") from error


class Format:
    """One parsed `--format`. `wanted` are the fields it uses (None: the columns of the plain table, or all)."""

    __slots__ = ("_template", "kind", "wanted")

    def __init__(self, source: str) -> None:
        self.kind = source if source in ("table", "json") else "template"
        self._template: Template | None = None
        self.wanted: set[str] | None = None
        if not source:
            self.kind = "table"
        elif self.kind == "template":
            if source.startswith("table"):
                self.kind = "table"
                source = source.removeprefix("table")
            self._template = parse(source)
            self.wanted = self._template.fields

    def text(self, rows: Iterable[Mapping[str, Any]], headings: Mapping[str, str], columns: Sequence[str]) -> str:
        """All rows as text. `columns` are the fields that the plain table shows."""
        if self.kind == "json":
            return "".join(line(row) for row in rows)
        template = self._template
        if template is None:
            lines = [[headings[name] for name in columns]]
            lines += [[_flat(row[name]) for name in columns] for row in rows]
            return table.layout(lines)
        if self.kind == "table":
            # a heading cannot have docker's methods, so a method's heading is the word itself (`Label "x"` → x)
            head = {**{name: _heading(name) for name in template.fields - headings.keys()}, **headings}
            texts = [template.execute(head), *(template.execute(row) for row in rows)]
            return table.layout([part.split("\t") for text in texts for part in text.split("\n")])
        return "".join(template.execute(row) + "\n" for row in rows)

    def one(self, row: Mapping[str, Any]) -> str:
        """One row of a stream that has no table (`events`)."""
        return line(row) if self.kind == "json" or self._template is None else self._template.execute(row) + "\n"


def _heading(name: str) -> Any:
    return (lambda word: word) if name == "Label" else f"<no {name}>"


def _flat(value: Any) -> str:
    return str(value).replace("\n", " ").replace("\t", " ")


def line(value: Mapping[str, Any]) -> str:
    """`value` as one line of JSON, keys sorted as docker's are, methods left out."""
    from ringfence import json

    plain = {name: item for name, item in value.items() if not callable(item)}
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":"), sort_keys=True) + "\n"
