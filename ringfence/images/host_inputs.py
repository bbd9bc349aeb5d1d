"""What the image `host` was made of, and whether that is still so: asked before every container of it.

Two files in the data directory. The record lists every file that decided the image, with its state. The stamp is for
the way to `run`: it has only the directories of these files and the time of the last change in each. A package manager
replaces a file by a rename, which changes its directory; a file rewritten in place is noticed when the stamp is old.
"""

from __future__ import annotations

import os
import stat
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Inputs = list[tuple[str, list[int] | None]]

TRUSTED = 600
"""Seconds after which a stamp is not enough any more, and every file is looked at: 1 ms."""


def fresh(data_dir: str, digest: str, *, python: bool) -> bool:
    """Whether, at a glance of 0.05 ms, nothing has changed since the image with that manifest was made.

    If not, `unchanged` knows more.
    """
    try:
        with open(_path(data_dir, "stamp", python), "rb") as file:
            lines = file.read().decode(errors="surrogateescape").split("\n")
            age = time.time() - os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        return False
    return lines[0] == digest and 0 <= age < TRUSTED and _directories(lines[2::2]) == lines[1:]


def made(data_dir: str, digest: str, *, python: bool) -> bool:
    """Whether the image with that manifest was made here: one that a person gave the name to is theirs."""
    return _record(data_dir, python)[0] == digest


def unchanged(data_dir: str, digest: str, *, python: bool) -> bool:
    """Whether the image with that manifest was made here, and all its inputs are as they were; then it is fresh."""
    known, inputs, directories = _record(data_dir, python)
    if known != digest or not inputs or any(state(path) != found for path, found in inputs):
        return False
    _stamp(data_dir, digest, directories, python)
    return True


def remember(data_dir: str, digest: str, inputs: Inputs, *, python: bool) -> None:
    """Record what an image was made of, and the directories where that is, or may come to be, links followed."""
    from ringfence import json

    directories = {os.path.dirname(os.path.realpath(path)) for path, found in inputs if found}
    directories |= {os.path.realpath(directory) for directory in {os.path.dirname(path) for path, _ in inputs}}
    record = {"image": digest, "inputs": inputs, "directories": sorted(directories)}
    _write(_path(data_dir, "json", python), json.dumps(record))
    _stamp(data_dir, digest, sorted(directories), python)


def state(path: str) -> list[int] | None:
    """What changes when a file's content does: size, time and inode; None if there is no such file."""
    try:
        status = os.stat(path)
    except OSError:  # absent, or not for us to see
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ino] if stat.S_ISREG(status.st_mode) else None


def _record(data_dir: str, python: bool) -> tuple[str, Inputs, list[str]]:
    """The image's digest, its inputs and their directories; empty if none was made, or not by this version."""
    from ringfence import json

    try:
        with open(_path(data_dir, "json", python), "rb") as file:
            known = json.load(file)
        return str(known["image"]), [(str(path), found) for path, found in known["inputs"]], list(known["directories"])
    except (FileNotFoundError, ValueError, LookupError, TypeError):
        return "", [], []


def _stamp(data_dir: str, digest: str, directories: list[str], python: bool) -> None:
    _write(_path(data_dir, "stamp", python), "\n".join([digest, *_directories(directories)]))


def _directories(paths: Iterable[str]) -> list[str]:
    """The time of its last change before each path."""
    found = []
    for path in paths:
        try:
            changed = os.stat(path).st_mtime_ns
        except OSError:
            changed = 0
        found += [str(changed), path]
    return found


def _path(data_dir: str, suffix: str, python: bool) -> str:
    return f"{data_dir}/host-python.{suffix}" if python else f"{data_dir}/host.{suffix}"


def _write(path: str, text: str) -> None:
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "w", errors="surrogateescape") as file:
        file.write(text)
    os.rename(temporary, path)
