"""`ringrun`: an OCI runtime with runc's command line. Each verb is a function of `verbs.py`; this is the grammar.

Exit status: the container's for `run` and `exec`, 0, or 1 with one line on stderr (as runc) for everything that fails;
usage errors too.
"""

from __future__ import annotations

import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

DEFAULT_ROOT = "/run/ringrun"
SPEC_VERSION = "1.3.0"
WIDTH = 100  # columns of help; argparse would import shutil (4 ms, at every start) to ask the terminal


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    from ringfence.errors import RingfenceError

    options = parser().parse_args(arguments)
    if options.verb is None:
        parser().print_help()
        return 1
    try:
        from ringfence.runtime.ringrun import verbs

        status: int = getattr(verbs, options.verb)(options)
        return status
    except (RingfenceError, OSError) as error:
        _report(options, error)
        return 1


def _report(options: argparse.Namespace, error: Exception) -> None:
    line = str(error)
    notes = getattr(error, "__notes__", [])
    if options.debug:
        line = "; ".join([line, *notes])
    print(f"ringrun: {line}", file=sys.stderr)
    if options.log:
        from ringfence.runtime.ringrun.log import entry

        with open(options.log, "a", encoding="utf-8") as log:
            log.write(entry(line, json.dumps if options.log_format == "json" else None))
    if options.debug:
        import traceback

        traceback.print_exception(error)


def parser() -> argparse.ArgumentParser:
    """The grammar: global options, then a verb with its own."""
    import argparse

    from ringfence import __version__

    def help_form(prog: str) -> argparse.HelpFormatter:
        return argparse.HelpFormatter(prog, width=WIDTH)

    top = argparse.ArgumentParser(
        prog="ringrun",
        description="OCI runtime: from a bundle to a process",
        allow_abbrev=False,
        formatter_class=help_form,
    )
    version = f"ringrun version {__version__}\nspec: {SPEC_VERSION}"
    top.add_argument("-v", "--version", action="version", version=version)
    top.add_argument(
        "--root", default=os.environ.get("RINGRUN_ROOT", DEFAULT_ROOT), help="directory of container states"
    )
    top.add_argument("--log", default="", help="file that errors are appended to")
    top.add_argument("--log-format", choices=("text", "json"), default="text", help="form of the log")
    top.add_argument("--debug", action="store_true", help="tell the failing operation and the trace")
    verbs = top.add_subparsers(dest="verb", metavar="VERB")

    def verb(name: str, help: str, *, container: bool = True) -> argparse.ArgumentParser:
        one = verbs.add_parser(name, help=help, description=help, allow_abbrev=False, formatter_class=help_form)
        if container:
            one.add_argument("id", help="container id")
        return one

    for name, help in (("create", "create a container"), ("run", "create and start a container")):
        _creating(verb(name, help), run=name == "run")
    verb("start", "start a created container")
    verb("state", "print the state of a container")
    kill = verb("kill", "send a signal to a container (default TERM)")
    kill.add_argument("signal", nargs="?", default="SIGTERM")
    kill.add_argument("-a", "--all", action="store_true", help="to all its processes")
    delete = verb("delete", "delete a stopped container")
    delete.add_argument("-f", "--force", action="store_true", help="kill it first; no error if it does not exist")
    _executing(verb("exec", "execute a process in a running container"))
    verb("pause", "suspend all processes of a container")
    verb("resume", "let them go on")
    ps = verb("ps", "list the processes of a container")
    ps.add_argument("-f", "--format", choices=("table", "json"), default="table")
    listing = verb("list", "list containers", container=False)
    listing.add_argument("-f", "--format", choices=("table", "json"), default="table")
    listing.add_argument("-q", "--quiet", action="store_true", help="ids only")
    spec = verb("spec", "write a config.json to start from", container=False)
    spec.add_argument("-b", "--bundle", default=".")
    spec.add_argument("--rootless", action="store_true", help="for a user without privileges")
    update = verb("update", "change the resource limits of a container")
    update.add_argument("-r", "--resources", default="-", help='file with linux.resources, "-" for standard input')
    return top


def _creating(verb: argparse.ArgumentParser, *, run: bool) -> None:
    verb.add_argument("-b", "--bundle", default=".", help="directory of config.json")
    verb.add_argument("--pid-file", default="", help="file for the process id")
    verb.add_argument("--console-socket", default="", help="unix socket that receives the terminal's master")
    verb.add_argument("--preserve-fds", type=int, default=0, help="descriptors after stderr to pass on")
    if run:
        verb.add_argument("-d", "--detach", action="store_true", help="do not wait for its end")
        verb.add_argument("--keep", action="store_true", help="do not delete it at its end")


def _executing(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("command", nargs="...", metavar="COMMAND", help="program and arguments")
    verb.add_argument("-p", "--process", default="", help="file with a process object")
    verb.add_argument("-e", "--env", action="append", default=[], help="NAME=VALUE")
    verb.add_argument("-t", "--tty", action="store_true", help="give it a terminal")
    verb.add_argument("-u", "--user", default="", help="UID[:GID]")
    verb.add_argument("-g", "--additional-gids", action="append", type=int, default=[])
    verb.add_argument("--cwd", default="")
    verb.add_argument("-c", "--cap", action="append", default=[], help="add a capability")
    verb.add_argument("--no-new-privs", action="store_true")
    verb.add_argument("-d", "--detach", action="store_true")
    verb.add_argument("--pid-file", default="")
    verb.add_argument("--console-socket", default="")
    verb.add_argument("--preserve-fds", type=int, default=0)
