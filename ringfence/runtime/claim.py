"""The claim on a container's id: its state directory, made exclusively, its record written, all of it removed.

What is in that directory, and how it is read, is told in state.py.
"""

from __future__ import annotations

import os

from ringfence import json
from ringfence.errors import Conflict, InvalidInput
from ringfence.linux import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.")


def check_id(id: str) -> str:
    """The id itself, if it may name a directory (F06)."""
    if not id or id in (".", "..") or not _CHARACTERS.issuperset(id) or len(id) > 1024:
        raise InvalidInput(f'"{id}" is not a container id', hint="letters, digits and _+-. are allowed")
    return id


def claim(root: str, id: str) -> str:
    """Take the id: its state directory, made exclusively. Conflict if it is in use."""
    directory = f"{root}/{check_id(id)}"
    for attempt in range(2):
        try:
            os.mkdir(directory, 0o711)
            return directory
        except FileNotFoundError:
            os.makedirs(root, 0o711, exist_ok=True)
        except FileExistsError:
            if attempt or not _abandoned(directory):
                raise Conflict(f"container id {id} is already in use") from None
            remove(directory)
    os.mkdir(directory, 0o711)
    return directory


def _abandoned(directory: str) -> bool:
    """Whether a create was killed before it wrote anything that a later command could find."""
    try:
        return not os.listdir(directory) and os.stat(directory).st_mtime < _seconds_ago(10)
    except FileNotFoundError:
        return True  # it has just been removed


def _seconds_ago(seconds: float) -> float:
    import time

    return time.time() - seconds


def write(directory: str, document: dict[str, Any], spec: str) -> None:
    """Write state.json whole or not at all; `spec` is JSON already, since whoever has made it may have written it."""
    temporary = f"{directory}/state.json.new"
    files.write(temporary, f"{json.dumps(document)}\n{spec}")
    os.rename(temporary, f"{directory}/state.json")


def remove(directory: str) -> None:
    """Remove a record; its state.json goes first, so that a half removed one is seen as none.

    The monitor may be removing its socket at the same moment: what has gone already is as good.
    """
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return
    for name in sorted(names, key=lambda name: name != "state.json"):
        try:
            os.unlink(f"{directory}/{name}")
        except FileNotFoundError:
            continue
        except IsADirectoryError:  # another runtime's
            _remove_tree(f"{directory}/{name}")
    try:
        os.rmdir(directory)
    except FileNotFoundError:
        return  # another command has removed it as well
    except OSError:  # ENOTEMPTY: something was put into it meanwhile
        _remove_tree(directory)


def _remove_tree(directory: str) -> None:
    import shutil

    shutil.rmtree(directory, ignore_errors=True)
