"""A container's root filesystem as the engine reads it: mounted nowhere, seen only through a descriptor."""

from __future__ import annotations

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


def stored(engine: Engine, record: ContainerRecord) -> Root:
    """The root of a container that does not run, as the image and its own writes make it, without its volumes."""
    from ringfence.linux.mounts import attach_nowhere
    from ringfence.linux.paths import Root

    return Root(attach_nowhere(engine.snapshots.mounts(record.id)[0]))


def of(engine: Engine, record: ContainerRecord, status: Status) -> Root:
    """The root as its processes see it, with its volumes, if it runs; else as it is stored."""
    if not status.live:
        return stored(engine, record)
    from ringfence.linux.paths import Root

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
