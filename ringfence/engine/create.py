"""create: reserve a record, give it a snapshot of its image, and mark it complete; each step can be rolled back."""

from __future__ import annotations

import os
import time

from ringfence.engine import events, names, repair, spec_process
from ringfence.engine.container import Container
from ringfence.engine.lock import Lock
from ringfence.engine.options import parse
from ringfence.engine.options_kinds import texts
from ringfence.engine.options_network import requests
from ringfence.engine.records import CREATED, ContainerRecord
from ringfence.errors import Conflict, InvalidInput, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ringfence.engine import Engine
    from ringfence.engine.options import Options
    from ringfence.engine.options_mounts import MountRequest
    from ringfence.images.image import Image

EMBEDDED = {"host": False, "host:latest": False, "host:python": True}
"""The images made from this machine's own programs, when first asked for and when these change; True: with Python."""
ATTEMPTS = 8
_CONFIGS: dict[str, dict[str, Any]] = {}
"""Image configs by image ID, which is their digest: read once in a process."""


def create(engine: Engine, image: str, command: Sequence[str] | None, raw: Mapping[str, object]) -> Container:
    """See Engine.create."""
    options = parse(raw)
    record, lock = reserve(engine, image, command, options)
    with lock:
        events.emit_container(engine, record, "create")  # if this fails, the next command rolls the rest back
        engine.records.mark(record, CREATED)
    return Container(engine, record, _warnings(record, options))


def _warnings(record: ContainerRecord, options: Options) -> list[str]:
    """What its caller may not expect of a container; one line each."""
    return [*_foreign(record, options), *_unapplied(options)]


def _foreign(record: ContainerRecord, options: Options) -> list[str]:
    """That the image is for another platform than this machine's, unless it was asked for; docker and podman run it."""
    if options.platform or record.image in EMBEDDED:
        return []
    from ringfence.oci.platform import Platform

    found, here = Platform.of(_CONFIGS[record.image_id]), Platform.host()
    if (found.os or here.os, found.architecture or here.architecture) == (here.os, here.architecture):
        return []
    return [f"image platform ({found}) does not match the expected platform ({here})"]


def _unapplied(options: Options) -> list[str]:
    """What a container will not have that was asked for, as this machine does not let this user."""
    from ringfence.linux import namespaces

    if namespaces.privileged():
        return []
    from ringfence.engine import spec_host, spec_resources
    from ringfence.linux import cgroups
    from ringfence.linux.cgroups.rootless import unapplied

    wanted = spec_resources.limits(options, spec_host.block_devices(options))
    return unapplied(wanted, cgroups.usable())


def reserve(engine: Engine, image: str, command: Sequence[str] | None, options: Options, *,
            repeated: bool = False) -> tuple[ContainerRecord, Lock]:  # fmt: skip
    """A new container in phase "creating", with its snapshot; the caller holds its lock, and goes on or removes it.

    `repeated`: it is started at once, so that it may have the id for which something is prepared.
    """
    settle_network(options)
    if options.network_egress or options.network_ingress or options.network_burst:
        from ringfence.engine import bandwidth

        bandwidth.admit(options)
    if options.runtime != "ringrun":
        from ringfence.engine import runtimes

        runtimes.require(options.runtime)
    found = find_image(engine, image, options)
    record = describe(found, image, command, options)
    if repeated:
        record.id = engine.runtime.next_id() or record.id
    lock = Lock(engine, record.id, make=True)
    lock.take()
    try:
        if options.cidfile:
            _write_cidfile(options.cidfile, record.id)
        _reserve_name(engine, record, options)
        try:
            from ringfence.images.unpack import unpack

            unpack(found, engine.content, engine.snapshots)
            engine.snapshots.prepare(record.id, record.parent)
            if record.uids:
                from ringfence.engine import root

                root.give_to_container(engine, record)
            _resolve_mounts(engine, record, options)
        except BaseException:
            from ringfence.engine import rm

            rm.remove(engine, record, volumes=True, announce=False)
            raise
    except BaseException:
        _forget(engine, record, options)
        lock.release()
        raise
    return record, lock


def settle_network(options: Options) -> None:
    """An ordinary user's container is in no network where that cannot be had and nobody has asked for it."""
    from ringfence.linux import namespaces

    if namespaces.privileged() or not requests(options):
        return
    from ringfence.engine import plug_rootless

    if options.given("network") or options.publish or options.publish_all:
        plug_rootless.admit(options)
    elif plug_rootless.usable():
        options.network = "none"


def describe(image: Image, name: str, command: Sequence[str] | None, options: Options) -> ContainerRecord:
    """The record of a container of that image, with nothing done yet."""
    if image.id not in _CONFIGS:
        _CONFIGS[image.id] = image.config
    whole = _CONFIGS[image.id]
    config = whole.get("config") or {}
    return ContainerRecord(
        names.new_id(),
        options.name,
        time.time_ns(),
        image=name,
        image_id=image.id,
        image_config=config,
        parent=image.top,
        args=spec_process.arguments(options, whole, _command(command)),
        options={key: value for key, value in options.to_json().items() if key not in ("rm", "name", "detach")},
        labels={**(config.get("Labels") or {}), **options.label},
        auto_remove=options.rm,
    )


def find_image(engine: Engine, name: str, options: Options) -> Image:
    """The image: from here, or from its registry as --pull says; an embedded one is made if it is not there."""
    if name in EMBEDDED:
        image = _embedded(engine, name, options)
        if options.platform:
            _check_platform(image, name, options.platform)
        return image
    try:
        here: Image | None = engine.image_store.get(name)
    except NotFound:
        here = None
        if options.pull == "never":
            raise
    if here is not None and options.pull in ("missing", "never"):
        if options.pull == "never":
            _check_platform(here, name, options.platform)
        if _suits(here, options.platform):
            return here
    from ringfence.engine import pull

    return pull.for_container(engine, name, options.platform, options.pull, here)


def _embedded(engine: Engine, name: str, options: Options) -> Image:
    try:
        image = engine.image_store.get(name)
    except NotFound:
        if options.pull == "never":
            raise
        from ringfence.images import host

        return host.ensure(engine.image_store, python=EMBEDDED[name])
    return _current(engine, image, python=EMBEDDED[name]) if options.pull != "never" else image


def _current(engine: Engine, image: Image, *, python: bool) -> Image:
    """An embedded image as this machine's programs are now. The one of before goes when no container has it."""
    from ringfence.images import host_inputs

    data = engine.image_store.data_dir
    if host_inputs.fresh(data, image.digest, python=python) or not host_inputs.made(data, image.digest, python=python):
        return image
    from ringfence.images import host

    try:
        renewed = host.ensure(engine.image_store, python=python)
    except (NotFound, OSError):  # in the midst of an upgrade, or on a full disk: the one that is there is whole
        return image
    if renewed.digest != image.digest:
        _remove_unused(engine, image.id)
    return renewed


def _remove_unused(engine: Engine, id: str) -> None:
    from ringfence.engine import images

    try:
        if not engine.image_store.get(id).names:
            images.rmi(engine, id, force=False)
    except Conflict:
        return  # its containers go on


def _command(command: Sequence[str] | None) -> Sequence[str]:
    if isinstance(command, str):
        raise InvalidInput("command: must be a list of arguments", hint='["sh", "-c", "..."] for a shell command')
    return texts("command", command or ())


def _suits(image: Image, platform: str) -> bool:
    """Whether it is for that platform or for a lesser variant of it, as containerd's `platforms.Only` has it."""
    if not platform:
        return True
    from ringfence.oci.platform import Platform

    return Platform.parse(platform).runs(Platform.of(image.config))


def _check_platform(image: Image, name: str, platform: str) -> None:
    if not _suits(image, platform):
        from ringfence.oci.platform import Platform

        raise NotFound(f"no such image: {name} for {platform}", hint=f"it is for {Platform.of(image.config)}")


def _reserve_name(engine: Engine, record: ContainerRecord, options: Options) -> None:
    """Write the record under the name asked for, or under a new one; with --userns auto also take its ids."""
    from ringfence.content.database import transaction

    if options.group:
        from ringfence.engine import group

        group.admit(engine, options)

    for attempt in range(ATTEMPTS):
        record.name = options.name or names.new_name(attempt)
        try:
            if not options.userns and not options.group:
                engine.records.add(record)
                return
            with transaction(engine.database):
                if options.group:
                    engine.groups.get(options.group)  # from here on it cannot be removed
                if options.userns:
                    from ringfence.engine import userns

                    record.uids, record.gids = userns.allocate(engine.records.all(), options)
                engine.records.add(record)
            return
        except Conflict:
            if options.name:
                if attempt or not _abandoned(engine, options.name):
                    raise
            elif attempt == ATTEMPTS - 1:
                raise


def _abandoned(engine: Engine, name: str) -> bool:
    """Whether the container that had the name was only a killed process's remains, and is gone now."""
    try:
        return repair.settle(engine, engine.records.find(name)) is None
    except NotFound:
        return True


def _resolve_mounts(engine: Engine, record: ContainerRecord, options: Options) -> None:
    """Resolve -v, --mount, --tmpfs, --volumes-from and the image's VOLUMEs; this makes the volumes."""
    asked = options.volume or options.mount or options.tmpfs or options.volumes_from
    if not asked and not record.image_config.get("Volumes"):
        return
    from ringfence.engine.volumes import Volumes, describe

    inherited: dict[str, list[dict[str, Any]]] = {}
    for source in options.volumes_from:
        other = repair.find(engine, source["container"])
        inherited[source["container"]] = [describe(mount) for mount in other.mounts]

    def claim(requests: list[MountRequest]) -> None:
        record.mounts = requests
        if any(request["type"] == "volume" for request in requests):
            engine.records.save(record)

    record.mounts = Volumes(engine.root).resolve(options, {"config": record.image_config}, inherited, claim)
    engine.records.save(record)


def _write_cidfile(path: str, id: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        raise Conflict(
            f"--cidfile: {path} exists already", hint="make sure its container is gone and remove it"
        ) from None
    except OSError as error:
        raise InvalidInput(f"--cidfile: cannot write {path}: {error.strerror}") from error
    with open(descriptor, "w") as file:
        file.write(id)


def _forget(engine: Engine, record: ContainerRecord, options: Options) -> None:
    """Undo what was made before the record was: the directory, and the cidfile if it is ours."""
    from ringfence.engine import places, rm

    rm.remove_directory(places.bundle(engine, record.id))
    if options.cidfile:
        try:
            with open(options.cidfile) as file:
                ours = file.read(len(record.id) + 1) == record.id
        except OSError:
            return
        if ours:
            os.unlink(options.cidfile)
