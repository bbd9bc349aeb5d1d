"""Directories that live as long as the process that made them: `scratch/PID-START-RANDOM` below a directory of ours."""

from __future__ import annotations

import os

from ringfence.linux import processes
from ringfence.linux.trees import remove_tree


def make(below: str) -> str:
    """A new directory, for its maker alone, who removes it."""
    own = os.getpid()
    path = f"{below}/scratch/{own}-{processes.start_time(own)}-{os.urandom(6).hex()}"
    os.makedirs(path, 0o700)
    return path


def sweep(below: str) -> None:
    """Remove those whose makers have died."""
    try:
        names = os.listdir(f"{below}/scratch")
    except FileNotFoundError:
        return
    for name in names:
        words = name.split("-")
        known = len(words) == 3 and words[0].isdecimal() and words[1].isdecimal()
        if not known or not processes.alive(int(words[0]), int(words[1])):
            remove_tree(f"{below}/scratch/{name}")
