"""The flags of run, create and update: made from the engine's table of options, which also checks their values."""

from __future__ import annotations

from ringfence.cli.parser import Flag
from ringfence.engine.options import OPTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.engine.options_kinds import Option

UNBUILT = "not built yet"  # the section of options that exist only to be refused by name


def flags(wanted: Callable[[Option], bool] = lambda option: True) -> list[Flag]:
    """A flag for every option that is `wanted`, and hidden ones for its other names."""
    table = []
    for option in OPTIONS.values():
        if wanted(option):
            default = option.default if isinstance(option.default, (bool, str)) else None
            table.append(Flag(option.name, option.doc, option.short, option.kind, metavar=option.metavar,
                              default=default, hidden=option.section == UNBUILT))  # fmt: skip
            table += [Flag(alias, "", kind=option.kind, alias_of=option.name) for alias in option.aliases]
    return table
