"""A container's root filesystem as the engine sees it: mounted nowhere, held only by a descriptor.

Three views: `base`, what its image gave it; `stored`, that with its own writes on top (the overlay view, read-only,
right for a running container too, as no second mount of its upperdir is made); `live`, as its processes see it.
"""

from __future__ import annotations

from ringfence.linux.paths import Root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.engine import Engine
    from ringfence.engine.records import ContainerRecord
    from ringfence.engine.status import Status
    from ringfence.engine.users import User
    from ringfence.images.unpack import Layered
    from ringfence.layers.owners import Owners
    from ringfence.linux.filedescriptor import FileDescriptor
    from ringfence.linux.mounts import Mount

_USERS: dict[tuple[str, str, str], User] = {}
"""Who a user is in an image, by (top chain ID, user, groups): what an image says never changes."""


class View(Root):
    """A container's tree, with `owners` if the ids in it are the host's that stand for those inside, else None."""

    __slots__ = ("owners",)

    def __init__(self, directory: int | str, owners: Owners | None = None) -> None:
        super().__init__(directory)
        self.owners = owners


def base(engine: Engine, record: ContainerRecord) -> Root | None:
    """The image's tree, or None for an image without layers."""
    snapshots = engine.snapshots
    if not record.parent:
        return None
    copied = snapshots.driver == "copy"
    return _stack(engine, [snapshots.layer_path(record.parent)] if copied else snapshots.lowers(record.id))


def of_layers(engine: Engine, image: Layered) -> Root | None:
    """The tree of an image, or of one in the making, which is unpacked if it was not; None without layers."""
    from ringfence.images.unpack import unpack

    if not unpack(image, engine.content, engine.snapshots):
        return None
    chain_ids = image.chain_ids[-1:] if engine.snapshots.driver == "copy" else image.chain_ids[::-1]
    return _stack(engine, [engine.snapshots.layer_path(chain_id) for chain_id in chain_ids])


def written(engine: Engine, record: ContainerRecord) -> FileDescriptor:
    """The snapshot's upper directory, with the owners inside; to be used by its `.path`."""
    import os

    from ringfence.linux import idmap, mounts
    from ringfence.linux.filedescriptor import FileDescriptor

    path = engine.snapshots.upper(record.id)
    if not _upper_has_host_ids(engine, record):
        return FileDescriptor(os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
    mapped = owners(record)
    with idmap.user_namespace(idmap.reverse(mapped.uids), idmap.reverse(mapped.gids)) as userns:
        return mounts.id_mapped(path, userns)


def stored(engine: Engine, record: ContainerRecord) -> View:
    """The tree with the container's writes, without its volumes; its owners are those inside the container."""
    with written(engine, record) as upper:
        return _stack(engine, [upper.path, *engine.snapshots.lowers(record.id)])


def live(engine: Engine, record: ContainerRecord, status: Status) -> View:
    """The root as its processes see it, with its volumes, if it runs; else as it is stored."""
    if not status.live:
        return stored(engine, record)
    return View(f"/proc/{status.pid}/root", owners(record) if record.uids else None)


def writable(engine: Engine, record: ContainerRecord, status: Status) -> View:
    """The root to write into: a running container's own, else its overlay, mounted for us alone."""
    from ringfence.linux.mounts import attach_nowhere

    if status.live:
        return live(engine, record, status)
    mount = engine.snapshots.mounts(record.id)[0]
    if not _upper_has_host_ids(engine, record):
        return View(attach_nowhere(mount))
    return _writable_overlay(engine, record, mount)


def give_to_container(engine: Engine, record: ContainerRecord) -> None:
    """Make / of a new snapshot the container's root's, if the snapshot is to hold the host's ids."""
    import os

    if _upper_has_host_ids(engine, record):
        os.chown(engine.snapshots.upper(record.id), *owners(record).root())


def owners(record: ContainerRecord) -> Owners:
    """The id mappings of a container with a user namespace of its own."""
    from ringfence.layers.owners import Owners
    from ringfence.linux.idmap import IdMapping

    return Owners([IdMapping(*row) for row in record.uids], [IdMapping(*row) for row in record.gids])


def _upper_has_host_ids(engine: Engine, record: ContainerRecord) -> bool:
    """Only an overlay's upper directory is not id-mapped as it is mounted (runtime/compile_root.py)."""
    return bool(record.uids) and bool(engine.snapshots.lowers(record.id))


def _writable_overlay(engine: Engine, record: ContainerRecord, mount: Mount) -> View:
    """The overlay as the runtime mounts it: what is copied up then has the host's ids too."""
    import contextlib

    from ringfence.linux import idmap, mounts

    mapped = owners(record)
    with contextlib.ExitStack() as opened:
        userns = opened.enter_context(idmap.user_namespace(mapped.uids, mapped.gids))
        lowers = [
            opened.enter_context(mounts.id_mapped(lower, userns)).path for lower in engine.snapshots.lowers(record.id)
        ]
        options = [option for option in mount.options if not option.startswith("lowerdir=")]
        overlay = mounts.Mount("overlay", mount.source, [f"lowerdir={':'.join(lowers)}", *options])
        return View(mounts.attach_nowhere(overlay), mapped)


def user(engine: Engine, record: ContainerRecord, name: str, groups: Sequence[str]) -> User:
    """The user that `name` (or the image's USER) means in a container that does not run."""
    import os

    from ringfence.engine import users

    key = (record.parent, name, "\n".join(groups))
    if not record.parent or os.listdir(engine.snapshots.upper(record.id)):  # its files may say otherwise
        with stored(engine, record) as root:
            return users.resolve(root, name, groups)
    if key not in _USERS:
        with _stack(engine, engine.snapshots.lowers(record.id)) as root:  # a mount less, if that is one layer
            _USERS[key] = users.resolve(root, name, groups)
    return _USERS[key]


def _stack(engine: Engine, directories: Sequence[str]) -> View:
    """Directories as one read-only tree, the topmost first."""
    from ringfence.linux.mounts import Mount, attach_nowhere

    if len(directories) == 1:
        return View(directories[0])
    options = ["userxattr"] if engine.snapshots.whiteouts == "userxattr" else []
    return View(attach_nowhere(Mount("overlay", "overlay", [f"lowerdir={':'.join(directories)}", *options])))
