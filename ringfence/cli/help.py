"""What `--help` prints, and docs/cli.md: both from the tables of verbs and flags."""

from __future__ import annotations

import sys

from ringfence.cli import main, verbs
from ringfence.commandline.help import WIDTH, flags, terminal_width

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ringfence.cli.verb import Verb


def text(name: str, verb: Verb | None, width: int = 0) -> str:
    """The help of the verb (with its group, as typed), of a group, or of the program."""
    width = width or terminal_width()
    words = name.split(" ")
    if verb is not None:
        usage = f"Usage:  {name} {verb.usage}\n\n{verb.summary}\n"
        return usage + (f"\nOptions:\n{flags(verb.flags, width)}" if verb.flags else "")
    if len(words) > 1:
        summary, modules = verbs.GROUPS[words[1]]
        listed = _commands({word: verbs.load(module).summary for word, module in sorted(modules.items())})
        more = f"Run '{name} COMMAND --help' for more information on a command.\n"
        return f"Usage:  {name} COMMAND\n\n{summary}\n\nCommands:\n{listed}\n{more}"
    return _program(name, width)


def _program(name: str, width: int) -> str:
    summaries = {word: verbs.load(module).summary for word, module in sorted(verbs.ALONE.items())}
    return (
        f"Usage:  {name} [OPTIONS] COMMAND\n\nContainers without a daemon\n\n"
        f"Management Commands:\n{_commands({word: group[0] for word, group in verbs.GROUPS.items()})}\n"
        f"Commands:\n{_commands(summaries)}\n"
        f"Global Options:\n{flags(main.GLOBAL_FLAGS, width)}\n"
        f"Run '{name} COMMAND --help' for more information on a command.\n"
    )


def _commands(summaries: Mapping[str, str]) -> str:
    widest = max(map(len, summaries))
    return "".join(f"  {word:{widest}}   {summary}\n" for word, summary in summaries.items())


def manual() -> str:
    """docs/cli.md: the help of the program, of every group and of every verb."""
    program = main.PROGRAM
    out = (
        "# The command line\n\n"
        "Made from `--help` by `python -m ringfence.cli.help`; a test keeps it equal. `--format` is told in "
        "[format.md](format.md).\n"
    )
    names: list[tuple[str, Verb | None]] = [(program, None)]
    names += [(f"{program} {word}", verbs.load(module)) for word, module in sorted(verbs.ALONE.items())]
    for group, (_, modules) in verbs.GROUPS.items():
        names.append((f"{program} {group}", None))
        own = {word: module for word, module in sorted(modules.items()) if module not in verbs.ALONE.values()}
        names += [(f"{program} {group} {word}", verbs.load(module)) for word, module in own.items()]
    for name, verb in names:
        out += f"\n## {name}\n\n```\n{text(name, verb, WIDTH)}```\n"
    return out


if __name__ == "__main__":
    sys.stdout.write(manual())
