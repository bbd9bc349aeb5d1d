"""How `--help` shows a table of flags."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ringfence.commandline import Flag

WIDTH = 100  # where the text does not go to a terminal


def flags(table: Sequence[Flag], width: int) -> str:
    """One line, or more, for each flag, by name."""
    shown = [flag for flag in sorted(table, key=lambda flag: flag.name) if not flag.hidden]
    heads = [_head(flag) for flag in shown]
    margin = max(map(len, heads)) + 3
    out = ""
    for flag, head in zip(shown, heads, strict=True):
        doc = flag.doc[:1].upper() + flag.doc[1:]
        if flag.default not in (None, False, ""):
            doc += f" (default {'true' if flag.default is True else flag.default})"
        lines = list(_wrapped(doc, max(width - margin, 30)))
        out += head.ljust(margin) + lines[0] + "\n"
        out += "".join(" " * margin + line + "\n" for line in lines[1:])
    return out


def _head(flag: Flag) -> str:
    short = f"-{flag.short}, " if flag.short else "    "
    return f"  {short}--{flag.name} {flag.metavar}".rstrip()


def _wrapped(doc: str, width: int) -> Iterator[str]:
    line = ""
    for word in doc.split(" "):
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line


def terminal_width() -> int:
    """Columns of the terminal that standard output is, else WIDTH."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or WIDTH
    except (OSError, ValueError):
        return WIDTH
