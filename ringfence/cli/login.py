"""`ringfence login`: keep a user name and password for a registry, once it has accepted them."""

from __future__ import annotations

import os
import sys

from ringfence.cli import access
from ringfence.cli.parser import Flag, UsageError
from ringfence.cli.verb import Verb
from ringfence.errors import InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

LONGEST_PASSWORD = 1 << 16  # characters; a token has a few thousand
FLAGS = (
    *access.FLAGS,
    Flag("get-login", "Print the user who is logged in, and do nothing else"),
    Flag("password", "Password or token", "p", "value"),
    Flag("password-stdin", "Read the password from standard input"),
    Flag("username", "User name", "u", "value"),
)


def run(engine: Engine, arguments: Arguments) -> int:
    from ringfence.engine import login

    registry = arguments.operands[0] if arguments.operands else ""
    if arguments.on("get-login"):
        user = login.user(engine, registry, access.of(arguments))
        print(user or f"not logged in to {login.host_of(registry)}")
        return 0 if user else 1
    host = login.host_of(registry)
    username, password = _asked(arguments)
    readable = engine.login(host, username, password, **access.of(arguments))
    if readable:
        sys.stderr.write(f"WARNING! Your credentials are stored unencrypted in '{readable}'.\n")
    print("Login Succeeded")
    return 0


def _asked(arguments: Arguments) -> tuple[str, str]:
    """User name and password: as given, from standard input, or from the person at the terminal."""
    username, password = arguments.text("username"), arguments.text("password")
    if arguments.on("password-stdin"):
        if password:
            raise UsageError("--password and --password-stdin are mutually exclusive", status=1)
        if not username:
            raise UsageError("must provide --username with --password-stdin", status=1)
        password = sys.stdin.read(LONGEST_PASSWORD).rstrip("\r\n")
        if not password:
            raise UsageError("--password-stdin: standard input has no password", status=1)
        return username, password
    if password:
        sys.stderr.write("WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n")
    if not (username and password) and not os.isatty(0):
        raise UsageError("cannot ask for the user name and password: standard input is not a terminal", status=1)
    try:
        username = username or input("Username: ").strip()
        password = password or _secret()
    except EOFError:  # Ctrl-D
        sys.stderr.write("\n")
        raise InvalidInput("the user name and password were not entered") from None
    return username, password


def _secret() -> str:
    import getpass

    return getpass.getpass()


VERB = Verb(run, "[OPTIONS] [REGISTRY]", "Log in to a registry (docker.io if none is named)", FLAGS, (0, 1))
