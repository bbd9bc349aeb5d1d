"""Archives that come from a file or our standard input, and go to a file or our standard output."""

from __future__ import annotations

import os
import sys

from ringfence.cli.parser import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO


def source(path: str) -> BinaryIO:
    """The file `path`, or standard input for "-"; UsageError if that is a terminal."""
    if path != "-":
        return open(path, "rb")
    if os.isatty(0):
        raise UsageError("refusing to read an archive from a terminal: name a file, or redirect", status=1)
    return sys.stdin.buffer


def write(path: str, make: Callable[[BinaryIO], object]) -> None:
    """Let `make` write to the file `path`, or to standard output for ""; what fails leaves no half file behind."""
    if not path:
        if os.isatty(1):
            raise UsageError("cowardly refusing to save to a terminal. Use the -o flag or redirect", status=1)
        sys.stdout.flush()
        make(sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    try:
        _into(path, make)
    except OSError as error:
        error.filename = error.filename or path
        raise


def note(path: str, text: str) -> None:
    """Write what was made, an ID or a digest, to the file that a flag names."""
    write(path, lambda output: output.write(text.encode()))


def _into(path: str, make: Callable[[BinaryIO], object]) -> None:
    if os.path.exists(path) and not os.path.isfile(path):  # /dev/null, a pipe: nothing to be renamed
        with open(path, "wb") as output:
            make(output)
        return
    partial = f"{path}.partial-{os.getpid()}"
    try:
        with open(partial, "xb") as output:
            make(output)
        os.rename(partial, path)
    except BaseException:
        if os.path.exists(partial):
            os.unlink(partial)
        raise
