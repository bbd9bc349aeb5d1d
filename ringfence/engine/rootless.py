"""An ordinary user's engine: its directories are chosen while we know who it is, then its user namespace is entered."""

from __future__ import annotations

import os

from ringfence.engine import places
from ringfence.runtime import rootless


def enter_user_namespace(root: str | None = None, state: str | None = None, *,
                         runtime_directory: str = "") -> tuple[str, str, list[str]]:  # fmt: skip
    """Make this process root of its user's namespace, before its first thread; then `Engine` works as for root.

    Returns the data and the state directory for `Engine` and warnings, one line each. `runtime_directory` is the
    user's own (XDG_RUNTIME_DIR). Denied, Unsupported or Failed if this machine does not allow it.
    """
    directory = rootless.runtime_directory("ringfence", runtime_directory)
    root, state = root or places.data_directory(), state or directory
    return root, state, rootless.enter(directory, f"{state}/containers")


def snapshotter(root: str, wanted: str) -> str:
    """The driver for a data directory in a user namespace: overlay, or copy where the kernel or the disk cannot.

    What the first container was made with, the others are: trees of one driver mean nothing to the other.
    """
    if wanted != "overlay" or os.path.isdir(f"{root}/snapshots/overlay"):
        return wanted
    if os.path.isdir(f"{root}/snapshots/copy"):
        return "copy"
    return "overlay" if _overlay_works(root) else "copy"


def _overlay_works(root: str) -> bool:
    """Whether an overlay can be mounted here whose marks are user.* attributes (Linux 5.11; tmpfs 6.6)."""
    import tempfile

    from ringfence.linux.mounts import Mount, attach_nowhere

    os.makedirs(root, 0o711, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root) as directory:
        below, upper, work = (f"{directory}/{name}" for name in "luw")
        for path in (below, upper, work):
            os.mkdir(path)
        options = [f"lowerdir={below}", f"upperdir={upper}", f"workdir={work}", "userxattr"]
        try:
            os.setxattr(upper, "user.overlay.opaque", b"y")
            attach_nowhere(Mount("overlay", "overlay", options)).close()
        except OSError:
            return False
    return True
