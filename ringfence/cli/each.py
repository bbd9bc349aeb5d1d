"""A verb over several operands: each is tried, each failure is one line, and any failure makes the exit code 1."""

from __future__ import annotations

import sys

from ringfence.cli.main import complain
from ringfence.errors import RingfenceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def each(names: Sequence[str], act: Callable[[str], object], *, quiet: bool = False) -> int:
    """Call `act` for every name and print the name, as typed, when it is done."""
    failed = False
    for name in names:
        try:
            act(name)
        except (RingfenceError, OSError) as error:
            complain(error)
            failed = True
        else:
            if not quiet:
                sys.stdout.write(name + "\n")
                sys.stdout.flush()
    return int(failed)
