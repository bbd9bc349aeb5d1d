"""The parser of a verb's command line, as this room uses it: `ringfence.commandline`, which `ringrun` has in common."""

from __future__ import annotations

from ringfence.commandline import Arguments, Flag, HelpWanted, UsageError, parse

__all__ = ["Arguments", "Flag", "HelpWanted", "UsageError", "parse"]
