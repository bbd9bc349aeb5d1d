"""Everything that can be told of a directory tree, for comparing trees that two programs made."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
from pathlib import Path

from tests import needs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def listing(root: str, *, times: Callable[[str], bool] = lambda path: True) -> dict[str, str]:
    """One line for each path: type, mode, owner, size, time (where `times` says so), device, target, digest, links and
    extended attributes. Hard links are told by the first of their names."""
    lines = {}
    names: dict[int, str] = {}
    top = os.fsencode(root)
    for directory, subdirectories, files in os.walk(top):
        subdirectories.sort()
        for name in [b"."] * (directory == top) + sorted(subdirectories + files):
            path = os.path.join(directory, name)
            shown = os.fsdecode(os.path.relpath(path, top))
            status = os.lstat(path)
            kind = stat.S_IFMT(status.st_mode)
            fields = [stat.filemode(status.st_mode), f"{status.st_uid}:{status.st_gid}"]
            if times(shown):
                fields.append(f"mtime={status.st_mtime_ns}")
            if kind == stat.S_IFREG:
                with open(path, "rb") as file:
                    fields.append(f"{status.st_size} {hashlib.file_digest(file, 'sha256').hexdigest()}")
            elif kind == stat.S_IFLNK:
                fields.append(f"-> {os.fsdecode(os.readlink(path))}")
            elif kind in (stat.S_IFCHR, stat.S_IFBLK):
                fields.append(f"{os.major(status.st_rdev)},{os.minor(status.st_rdev)}")
            if kind != stat.S_IFDIR and status.st_nlink > 1:
                fields.append(f"same as {names.setdefault(status.st_ino, shown)}")
            for attribute in sorted(os.listxattr(path, follow_symlinks=False)):
                value = os.getxattr(path, attribute, follow_symlinks=False)
                fields.append(f"{attribute}={value!r}")
            lines[shown] = " ".join(fields)
    return lines


def debian_rootfs() -> str:
    """The tar of a real Debian, made once (`make debian-rootfs`)."""
    needs.program("mmdebstrap")
    script = Path(__file__).parents[1] / "debian.sh"
    return subprocess.run([script], check=True, capture_output=True, text=True).stdout.strip()
