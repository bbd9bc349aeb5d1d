"""What every verb module has: `VERB`, its command line and its action."""

from __future__ import annotations

from ringfence.cli.parser import Arguments, UsageError, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ringfence.cli.parser import Flag
    from ringfence.engine import Engine

MANY = 1 << 30


class Verb:
    """One verb. `usage` is what follows its name, `summary` what it does, `least` and `most` bound its operands.

    `act` returns the exit code. A verb that runs another program is not `interspersed`: that program's flags are not
    its own. `failure` is the exit code of an engine error, `refusal` that of an option the engine refuses.
    """

    __slots__ = ("act", "failure", "flags", "interspersed", "least", "most", "refusal", "summary", "usage")

    def __init__(
        self,
        act: Callable[[Engine, Arguments], int],
        usage: str,
        summary: str,
        flags: Sequence[Flag] = (),
        operands: tuple[int, int] = (0, 0),
        *,
        interspersed: bool = True,
        failure: int = 1,
        refusal: int = 1,
    ) -> None:
        self.act = act
        self.usage = usage
        self.summary = summary
        self.flags = flags
        self.least, self.most = operands
        self.interspersed = interspersed
        self.failure = failure
        self.refusal = refusal

    def parse(self, name: str, words: Sequence[str]) -> Arguments:
        """Read the words behind the verb; UsageError in docker's words, with docker's exit codes."""
        arguments = parse(self.flags, words, interspersed=self.interspersed)
        if not self.least <= len(arguments.operands) <= self.most:
            raise UsageError(f"'{name}' {self._wanted()}", status=1)
        return arguments

    def _wanted(self) -> str:
        """Docker's words for the number of operands."""
        if self.most == 0:
            return "accepts no arguments"
        if self.least == self.most:
            return f"requires {_count(self.least)}"
        if self.most == MANY:
            return f"requires at least {_count(self.least)}"
        if self.least == 0:
            return f"requires at most {_count(self.most)}"
        return f"requires at least {self.least} and at most {_count(self.most)}"


def _count(number: int) -> str:
    return f"{number} argument" if number == 1 else f"{number} arguments"
