"""What `ringrun --help`, `ringrun help VERB` and `ringrun VERB --help` print."""

from __future__ import annotations

from ringfence.commandline.help import flags, terminal_width
from ringfence.runtime.ringrun import FLAGS, VERBS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.runtime.ringrun.verb import Verb


def text(name: str, verb: Verb | None) -> str:
    """The help of a verb, or of the program."""
    if verb is not None:
        usage = f"Usage: ringrun [OPTIONS] {name} [OPTIONS] {verb.usage}".rstrip()
        return f"{usage}\n\n{verb.summary}\n" + (f"\nOptions:\n{_flags(verb)}" if verb.flags else "")
    listed = "".join(f"  {name:12}{summary}\n" for name, summary in VERBS.items())
    return (
        "Usage: ringrun [OPTIONS] COMMAND [OPTIONS] [ARGUMENTS...]\n\n"
        "An OCI runtime with the command line of runc: from a bundle to a process.\n\n"
        f"Commands:\n{listed}\nOptions:\n{flags(FLAGS, terminal_width())}"
    )


def _flags(verb: Verb) -> str:
    return flags(verb.flags, terminal_width())
