"""An overlay by mount(2), for kernels whose fsconfig(2) cannot say it, in a mount namespace that one thread ever sees.

Before Linux 6.7 layers are one string, too short by fsconfig(2) for a real image; mount(2) takes a page. Before 6.15 a
mount that is attached nowhere, as one with mapped ids is, is no layer: it is attached there. native/ringinit.c has the
same for starts.
"""

from __future__ import annotations

import errno
import os

from ringfence.linux import _libc, mounts, namespaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.linux.filedescriptor import FileDescriptor
    from ringfence.linux.mountoptions import ParsedOptions

_BY_DESCRIPTOR = "/proc/self/fd/"
_STAGE = "/proc"  # covered by an empty file system: a directory that every machine has
_PAGE = 4096


def mount_elsewhere(mount: mounts.Mount, options: ParsedOptions) -> FileDescriptor:
    """The overlay, attached nowhere. Layers that `mount` names by descriptors are attached to a namespace that ends."""

    def work() -> FileDescriptor:
        layers, others = _layers(options.data)
        names = {layer: os.readlink(layer) for layer in layers if layer.startswith(_BY_DESCRIPTOR)}
        too_long = sum(map(len, layers)) > _PAGE // 2
        namespaces.unshare(namespaces.Clone.NEWNS)  # of this thread alone: it unshares root and cwd, too
        _libc.mount(None, "/", None, mounts.MountFlag.REC | mounts.MountFlag.PRIVATE, None)
        _libc.mount("tmpfs", _STAGE, "tmpfs", 0, "mode=0700")
        staged = [_stage(layer, names.get(layer, ""), number, too_long) for number, layer in enumerate(layers)]
        target = _place("overlay")
        _libc.mount(mount.source, target, mount.type, options.flags_set, ",".join([_lowerdir(staged), *others]))
        return mounts.open_tree(target)

    return namespaces.on_own_thread(work)


def _layers(words: list[str]) -> tuple[list[str], list[str]]:
    """The paths of lowerdir, whose colons may be escaped (overlayfs.rst), and all other options."""
    lowerdir = next((word for word in words if word.startswith("lowerdir=")), "lowerdir=")
    others = [word for word in words if not word.startswith("lowerdir=")]
    text = lowerdir.removeprefix("lowerdir=").replace("\\:", "\0")
    return [layer.replace("\0", "\\:") for layer in text.split(":")], others


def _lowerdir(layers: list[str]) -> str:
    return f"lowerdir={':'.join(layers)}"


def _stage(layer: str, name: str, number: int, too_long: bool) -> str:
    """The layer's path in this namespace. `name` is where its descriptor leads to, if it has one."""
    if name:
        target = _place(str(number))
        try:
            mounts.move_mount(int(layer.removeprefix(_BY_DESCRIPTOR)), target)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return name  # an ordinary directory, and no mount
        return target
    if not too_long or "\\" in layer:
        return layer
    target = _place(str(number))
    _libc.mount(layer, target, None, mounts.MountFlag.BIND, None)
    return target


def _place(name: str) -> str:
    os.mkdir(f"{_STAGE}/{name}")
    return f"{_STAGE}/{name}"
