"""A container's root filesystem as the engine sees it: mounted nowhere, held only by a descriptor.

Three views: `base`, what its image gave it; `stored`, that with its own writes on top (the overlay view, read-only,
right for a running container too, as no second mount of its upperdir is made); `live`, as its processes see it.
"""

from __future__ import annotations

from ringfence.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.engine import Engine
    from ringfence.engine.records import ContainerRecord
    from ringfence.engine.status import Status
    from ringfence.engine.users import User
    from ringfence.linux.paths import Root

_USERS: dict[tuple[str, str, str], User] = {}
"""Who a user is in an image, by (top chain ID, user, groups): what an image says never changes."""


def base(engine: Engine, record: ContainerRecord) -> Root | None:
    """The image's tree, or None for an image without layers."""
    snapshots = engine.snapshots
    if not record.parent:
        return None
    return _stack([snapshots.layer_path(record.parent)] if snapshots.driver == "copy" else snapshots.lowers(record.id))


def stored(engine: Engine, record: ContainerRecord) -> Root:
    """The tree with the container's writes, without its volumes; its owners are those inside the container."""
    return _stack([engine.snapshots.upper(record.id), *engine.snapshots.lowers(record.id)])


def live(engine: Engine, record: ContainerRecord, status: Status) -> Root:
    """The root as its processes see it, with its volumes, if it runs; else as it is stored."""
    from ringfence.linux.paths import Root

    return Root(f"/proc/{status.pid}/root") if status.live else stored(engine, record)


def writable(engine: Engine, record: ContainerRecord, status: Status) -> Root:
    """The root to write into: a running container's own, else its overlay, mounted for us alone."""
    from ringfence.linux.mounts import attach_nowhere
    from ringfence.linux.paths import Root

    if not status.live:
        return Root(attach_nowhere(engine.snapshots.mounts(record.id)[0]))
    if record.uids:
        raise Unsupported(f"container {record.name} runs with --userns auto: copying into it is not built yet",
                          hint="stop it first")  # fmt: skip
    return Root(f"/proc/{status.pid}/root")


def user(engine: Engine, record: ContainerRecord, name: str, groups: Sequence[str]) -> User:
    """The user that `name` (or the image's USER) means in a container that does not run."""
    from ringfence.engine import users

    key = (record.parent, name, "\n".join(groups))
    if record.started or key not in _USERS:
        with stored(engine, record) as root:
            found = users.resolve(root, name, groups)
        if record.started:
            return found  # its own files may say otherwise than the image's
        _USERS[key] = found
    return _USERS[key]


def _stack(directories: Sequence[str]) -> Root:
    """Directories as one read-only tree, the topmost first."""
    from ringfence.linux.mounts import Mount, attach_nowhere
    from ringfence.linux.paths import Root

    if len(directories) == 1:
        return Root(directories[0])
    return Root(attach_nowhere(Mount("overlay", "overlay", [f"lowerdir={':'.join(directories)}"])))
