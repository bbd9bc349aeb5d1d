"""`ringrun`: an OCI runtime with runc's command line. Each verb is a module of this package; this is what they share.

Exit status: the container's own for `run` and `exec`; else 0, or 1 (255 for `exec`, as runc) for everything that fails,
usage errors too, with one line on stderr that goes to the file of `--log` as well.
"""

from __future__ import annotations

import os
import sys
from _signal import SIG_DFL, SIGCHLD, signal  # type: ignore[import-not-found]  # without the 5 ms of `signal`

from ringfence.commandline import Flag, HelpWanted, UsageError, parse
from ringfence.errors import RingfenceError
from ringfence.runtime.ringrun.verb import Call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.commandline import Arguments
    from ringfence.runtime.ringrun.verb import Verb

DEFAULT_ROOT = "/run/ringrun"
BUILT_IN = "+SYSTEMD +SELINUX +APPARMOR +CAP +SECCOMP +EBPF"
"""What we have of the parts that crun is built with or without, in its words: its tests ask for them."""

FLAGS = (
    Flag("cgroup-manager", "cgroupfs, systemd or disabled, in crun's words", kind="value", metavar="NAME"),
    Flag("criu", "not used: checkpoints are not built yet", kind="value", metavar="PATH", hidden=True),
    Flag("debug", "tell which operation failed, and where in the code"),
    Flag("log", "file for errors and warnings, besides stderr", kind="value", metavar="FILE"),
    Flag("log-format", "text or json", kind="value", default="text", metavar="FORMAT"),
    Flag("log-level", "crun's: debug is as --debug", kind="value", metavar="LEVEL", hidden=True),
    Flag("root", "directory of container states", kind="value", metavar="DIRECTORY"),
    Flag("rootless", "false: limits that a user cannot set are an error, not a warning", kind="value", default="auto"),
    Flag("systemd-cgroup", "let systemd make the cgroups; cgroupsPath is slice:prefix:name"),
    Flag("version", "print the version", "v"),
    Flag("V", "print the version", "V", alias_of="version"),
)
_UNPRIVILEGED = {"spec", "features"}  # these verbs are about no container
# Module and summary of each verb, in the order of its life; the modules are imported only when their verb is.
VERBS = {
    "create": "create a container",
    "start": "start a created container",
    "run": "create and start a container",
    "exec": "execute a process in a running container",
    "state": "print the state of a container",
    "list": "list containers",
    "ps": "list the processes of a container",
    "events": "print what a container uses, and when it runs out of memory",
    "update": "change the resource limits of a container",
    "pause": "suspend all processes of a container",
    "resume": "let the processes of a paused container go on",
    "kill": "send a signal to a container",
    "delete": "delete a container",
    "spec": "write a config.json to start from",
    "features": "print what this runtime can do",
    "checkpoint": "not built yet",
    "restore": "not built yet",
}


def main(words: Sequence[str], *, fault: tuple[int, int] = (-1, 0)) -> int:
    """Run one command line (without the program's name); returns its exit status. `fault` is that of `Launch`."""
    call = Call(DEFAULT_ROOT, fault)
    try:
        try:
            return _act(call, words)
        except HelpWanted:
            from ringfence.runtime.ringrun import help

            sys.stdout.write(help.text(call.name, call.verb))
            return 0
    except (RingfenceError, OSError) as error:
        if isinstance(error, UsageError):
            error.hint = f"see 'ringrun {call.name} --help'".replace("  ", " ")
        _report(call, error)
        return call.verb.failure if call.verb else 1


def _act(call: Call, words: Sequence[str]) -> int:
    call.options = options = parse(FLAGS, words, interspersed=False)
    if options.on("version"):
        _print_version()
        return 0
    if options.text("log"):
        call.open_log()
    rest = options.operands
    if rest[:1] == ["help"] or not rest:
        rest = [*rest[1:2], "--help"]
    if rest[0] == "--help":
        raise HelpWanted
    _check(options)
    if rest[0] not in VERBS:
        raise UsageError(f"unknown command: {rest[0]}")
    call.name = rest[0]
    call.verb = verb = load(rest[0])
    call.flags = verb.parse(rest[0], rest[1:])
    if os.geteuid() != 0 and rest[0] not in _UNPRIVILEGED:
        from ringfence.runtime.ringrun import rootless

        rootless.enter(call)
    return verb.act(call)


def _check(options: Arguments) -> None:
    choices = {"log-format": ("text", "json"), "rootless": ("true", "false", "auto")}
    for name, allowed in choices.items():
        if options.text(name) not in allowed:
            raise UsageError(f"--{name}: {options.text(name)} is none of {', '.join(allowed)}")
    if options.text("cgroup-manager") not in ("", "cgroupfs", "systemd", "disabled"):
        raise UsageError(f"--cgroup-manager: {options.text('cgroup-manager')} is none of cgroupfs, systemd, disabled")


def load(name: str) -> Verb:
    """The verb `name`, from its module."""
    # __import__ and not importlib, whose import costs 2 ms here
    verb: Verb = __import__(f"ringfence.runtime.ringrun.{name}", fromlist=["VERB"]).VERB
    return verb


def _print_version() -> None:
    from ringfence import __version__
    from ringfence.oci.runtime_spec import VERSION

    print(f"ringrun version {__version__}\nspec: {VERSION}\n{BUILT_IN}")


def _report(call: Call, error: Exception) -> None:
    line = str(error)
    if isinstance(error, OSError) and error.strerror:
        line = f"{error.filename}: {error.strerror.lower()}" if error.filename else error.strerror.lower()
    if call.debug:
        line = "; ".join([line, *getattr(error, "__notes__", [])])
    print(f"ringrun: {line}", file=sys.stderr)
    call.log("error", line)
    if call.debug:
        import traceback

        traceback.print_exception(error)


def script() -> None:
    """The entry of the command."""
    signal(SIGCHLD, SIG_DFL)  # where our caller ignores it we could not wait for anybody
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # taking the interpreter apart costs 3 ms and frees nothing that we need
