"""Columns as docker prints them (Go's text/tabwriter with a minimum width of 10 and three spaces between)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

NARROWEST = 10
GAP = 3


def layout(lines: Sequence[Sequence[str]], narrowest: int = NARROWEST) -> str:
    """Lines of cells → text; the last cell of a line is not padded."""
    widths: list[int] = []
    for cells in lines:
        for column, cell in enumerate(cells[:-1]):
            if column == len(widths):
                widths.append(narrowest)
            widths[column] = max(widths[column], len(cell) + GAP)
    out = []
    for cells in lines:
        padded = [cell.ljust(width) for cell, width in zip(cells[:-1], widths, strict=False)]
        out.append("".join([*padded, *cells[-1:]]) + "\n")
    return "".join(out)
