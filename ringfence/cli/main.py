"""The command `ringfence`: from the words on the command line to one verb, and from its errors to one line.

Only what the verb needs is imported, at the moment it needs it: start-up time is a feature (tests/test_import_budget.py
holds the budget). This package alone reads the environment: RINGFENCE_ROOT, RINGFENCE_STATE, XDG's, HOME.
"""

from __future__ import annotations

import _io
import _signal  # type: ignore[import-not-found]  # without the 5 ms of `signal`
import os
import sys

from ringfence.cli import exitcodes, verbs
from ringfence.cli.parser import Flag, HelpWanted, UsageError, parse
from ringfence.errors import Failed, InvalidInput, RingfenceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from sys import UnraisableHookArgs
    from typing import Any, NoReturn

    from ringfence.cli.parser import Arguments
    from ringfence.cli.verb import Verb
    from ringfence.engine import Engine

PROGRAM = "ringfence"

GLOBAL_FLAGS = (
    Flag("debug", "Show where in the code an error arose", "D"),
    Flag("root", "Directory of images, containers and volumes", kind="value", metavar="directory"),
    Flag("snapshotter", "How the trees of images are kept: overlay, copy", kind="value", default="overlay"),
    Flag("state", "Directory of what a reboot may forget", kind="value", metavar="directory"),
    Flag("version", "Print the version and quit", "v"),
)


class Command:
    """What the words ask for: `name` as typed ("ringfence container ls"), its verb, its arguments."""

    __slots__ = ("arguments", "name", "options", "verb")

    def __init__(self) -> None:
        self.name = PROGRAM
        self.verb: Verb | None = None
        self.options: Arguments | None = None
        self.arguments: Arguments | None = None

    def read(self, words: Sequence[str]) -> None:
        """Fill this in word by word, so that an error knows how far it came; UsageError, HelpWanted."""
        self.options = parse(GLOBAL_FLAGS, words, interspersed=False)
        rest = self.options.operands
        if not rest:
            if self.options.on("version"):
                return
            raise HelpWanted
        module = verbs.ALONE.get(rest[0], "")
        if not module and rest[0] in verbs.GROUPS:
            module, rest = self._grouped(rest)
        if not module:
            raise UsageError(f"unknown command: {PROGRAM} {rest[0]}", status=1)
        self.name += " " + rest[0]
        self.verb = verbs.load(module)
        self.arguments = self.verb.parse(self.name, rest[1:])

    def _grouped(self, words: list[str]) -> tuple[str, list[str]]:
        group = words[0]
        self.name += " " + group
        rest = parse((), words[1:], interspersed=False).operands
        if not rest:
            raise HelpWanted
        module = verbs.GROUPS[group][1].get(rest[0]) or verbs.ALIASES.get((group, rest[0]), "")
        if not module:
            raise UsageError(f"unknown command: {self.name} {rest[0]}", status=1)
        return module, rest


def main(words: Sequence[str]) -> int:
    """Run the command line `words` (without the program's name) and return its exit code; errors are one line."""
    command = Command()
    try:
        try:
            command.read(words)
            status = _act(command)
        except HelpWanted:
            from ringfence.cli import help

            sys.stdout.write(help.text(command.name, command.verb))
            status = 0
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # nobody reads: what is left in the buffer must not be written when the interpreter ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return exitcodes.BROKEN_PIPE
    except KeyboardInterrupt:
        return exitcodes.INTERRUPTED
    except UnicodeEncodeError as error:  # a word that is not UTF-8 came to where only UTF-8 is kept
        return _report(InvalidInput(f'"{error.object}" is not UTF-8'), command)
    except (RingfenceError, OSError) as error:
        return _report(error, command)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        return _report(Failed(f"this is a bug of {PROGRAM}'s: {said}", hint="--debug tells where"), command, error)


def _act(command: Command) -> int:
    assert command.options is not None
    if command.verb is None or command.arguments is None:
        from ringfence import __version__

        print(f"{PROGRAM} version {__version__}")
        return 0
    with _engine(command.options) as engine:
        return command.verb.act(engine, command.arguments)


def _engine(options: Arguments) -> Engine:
    from ringfence.engine import Engine

    root, state = directories(os.environ, root=os.geteuid() == 0)
    root, state = options.text("root") or root, options.text("state") or state
    if os.geteuid() != 0:
        from ringfence.engine.rootless import enter_user_namespace

        own = os.environ.get("XDG_RUNTIME_DIR", "")
        root, state, warnings = enter_user_namespace(root, state, runtime_directory=own)
        for warning in warnings:
            _warn(warning)
    engine = Engine(root, state, snapshotter=options.text("snapshotter"), environment=os.environ)
    engine.warned = _warn
    return engine


def _warn(line: str) -> None:
    sys.stderr.write(f"WARNING: {line}\n")


def directories(environment: Mapping[str, str], *, root: bool) -> tuple[str | None, str | None]:
    """The data and state directories that the environment names; None is the engine's own choice.

    XDG's directories are those of ordinary users: `root` keeps to /var/lib and /run, whosever session it is in.
    """
    home, runtime = environment.get("HOME"), environment.get("XDG_RUNTIME_DIR")
    data = environment.get("XDG_DATA_HOME") or (f"{home}/.local/share" if home else None)
    return (
        environment.get("RINGFENCE_ROOT") or (f"{data}/ringfence" if data and not root else None),
        environment.get("RINGFENCE_STATE") or (f"{runtime}/ringfence" if runtime and not root else None),
    )


def explain(error: BaseException) -> str:
    """One line for a person, in which nothing steers the terminal: what cannot be printed is told by its codes."""
    said = str(error)
    if isinstance(error, OSError) and error.strerror:
        names = (error.filename, error.filename2)
        places = " -> ".join(os.fsdecode(name) for name in names if isinstance(name, (str, bytes)))
        said = f"{places}: {error.strerror}" if places else error.strerror
    if said.isprintable():
        return said
    return "".join(character if character.isprintable() else _code(character) for character in said.strip())


def _code(character: str) -> str:
    if character in "\n\t":
        return " "
    escaped = os.fsencode(character) if "\udc80" <= character <= "\udcff" else character.encode("unicode_escape")
    return escaped.decode("ascii", "backslashreplace")


def complain(error: BaseException) -> None:
    """Say on stderr what went wrong, in one line; what was printed before stands before it."""
    try:
        sys.stdout.flush()
    finally:  # where standard output is what fails, that is told, too
        sys.stderr.write(f"{PROGRAM}: {explain(error)}\n")


def _report(error: RingfenceError | OSError, command: Command, cause: Exception | None = None) -> int:
    """Say what went wrong, where it arose (`cause`) only with --debug, and return the exit code."""
    if isinstance(error, UsageError) and isinstance(error.args[0], str):
        error.hint = f"see '{command.name} --help'"
    status = exitcodes.of(error, command.verb)
    try:
        complain(error)
        if command.options is not None and command.options.on("debug"):
            import traceback

            traceback.print_exception(cause or error)
    except OSError:  # a closed pipe, a full disk: there is nobody to tell
        return status
    return status


def _open_standard_streams() -> None:
    """Whoever closed 0, 1 or 2 must not have the database opened there, and a container's output written into it."""
    streams = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))
    for descriptor, (name, mode) in enumerate(streams):
        if getattr(sys, name) is None:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number that is free: `descriptor`
            setattr(sys, name, os.fdopen(descriptor, mode, closefd=False))  # stdout is replaced below
    # as docker's: whatever the locale, UTF-8; a name that is none comes out as the bytes that it is
    sys.stdout = _io.TextIOWrapper(_io.BufferedWriter(_Output(1, "w", closefd=False)), "utf-8", "surrogateescape",
                                   line_buffering=os.isatty(1))  # fmt: skip


class _Output(_io.FileIO):
    """Standard output, whose errors say so."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            error.filename = "standard output"
            raise


def _interrupt_again(lost: UnraisableHookArgs) -> None:
    """Ctrl-C may fall into a callback of the interpreter's own, which tells of it and goes on: raise it once more.

    An import's lock is let go by such a callback (importlib._bootstrap), and a verb imports much at its beginning.
    """
    if lost.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(lost)
        return
    _signal.signal(_signal.SIGALRM, _signal.default_int_handler)
    _signal.setitimer(_signal.ITIMER_REAL, 0.01)


def script() -> NoReturn:
    """The entry of the command. Leaves at once: taking the interpreter apart costs 3 ms and frees nothing we need."""
    sys.unraisablehook = _interrupt_again
    _open_standard_streams()
    status = main(sys.argv[1:])
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        status = exitcodes.BROKEN_PIPE
    except OSError:  # `main` has told of it
        status = status or exitcodes.FAILED
    os._exit(status)
