"""What is printed: tables of medians with ratios, and the promises with what was measured."""

from __future__ import annotations

from collections.abc import Sequence

from bench.measure import Timing


class Promise:
    """`measured` must be at most `bound`; None: something that it takes is not installed here, or did not work."""

    def __init__(self, what: str, measured: float | None, bound: float, unit: str) -> None:
        self.what = what
        self.measured = measured
        self.bound = bound
        self.unit = unit

    @property
    def verdict(self) -> str:
        if self.measured is None:
            return "NOT MEASURED"
        return "PASS" if self.measured <= self.bound else "FAIL"


def ratio(ours: float | None, theirs: float | None) -> float | None:
    return ours / theirs if ours is not None and theirs else None


def timings(title: str, results: Sequence[Timing], reference: str) -> None:
    """One line a candidate, with its ratio to the candidate named `reference`."""
    medians = {timing.name: timing.median for timing in results}
    rows = [
        [
            timing.name,
            str(len(timing.samples)),
            f"{timing.median:.2f}",
            f"{timing.ninetieth:.2f}",
            _ratio(ratio(timing.median, medians.get(reference))),
        ]
        for timing in results
    ]
    table(title, ["", "runs", "median ms", "p90 ms", f"x {reference}"], rows)


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    print(f"\n{title}")
    for row in (head, *rows):
        numbers = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print("  " + "  ".join([row[0].ljust(widths[0]), *numbers]).rstrip(), flush=True)


def promises(kept: Sequence[Promise]) -> None:
    rows = [
        [promise.what, _number(promise.measured, promise.unit), _number(promise.bound, promise.unit), promise.verdict]
        for promise in kept
    ]
    table("promises", ["", "measured", "at most", ""], rows)


def _number(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.2f} {unit}"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
