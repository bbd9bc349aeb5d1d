"""What a start needs: the spec, the mounts of the root, and the monitor's orders, from a record."""

from __future__ import annotations

import os
import sys

from ringfence import json
from ringfence.engine import events, places, root, spec, spec_files, spec_host, status
from ringfence.engine.options_network import requests
from ringfence.errors import Conflict
from ringfence.linux import files
from ringfence.runtime.interface import Launch, Log, Monitoring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.engine import Engine
    from ringfence.engine.options import Options
    from ringfence.engine.plug import Plug
    from ringfence.engine.plug_rootless import RootlessPlug
    from ringfence.engine.records import ContainerRecord

_ENTRY = "import sys; sys.path.insert(0, sys.argv[1]); from ringfence.engine.exited import main; main(sys.argv[2:])"


def facts(engine: Engine, record: ContainerRecord, options: Options) -> spec_host.HostFacts:
    """What the spec needs of this machine and of other containers. Conflict if one of these does not run."""
    pids: dict[str, int] = {}
    for kind, name in spec_host.joined(options).items():
        other = status.of(engine, engine.records.find(name))
        if not other.live:
            raise Conflict(f"--{kind}: container {name} is not running")
        pids[kind] = other.pid
    user = root.user(engine, record, options.user or record.image_config.get("User") or "", options.group_add)
    return spec_host.gather(options, bundle=places.bundle(engine, record.id), user=user, mounts=record.mounts,
                            pids=pids, uids=record.uids, gids=record.gids, group=_group(engine, options))  # fmt: skip


def _group(engine: Engine, options: Options) -> str:
    if not options.group:
        return ""
    from ringfence.engine import group_cgroup

    return group_cgroup.path(engine, options.group)


def prepare(engine: Engine, record: ContainerRecord, options: Options, window: tuple[int, int] = (0, 0),
            plug: Plug | RootlessPlug | None = None) -> Launch:  # fmt: skip
    """The launch of a container, with its bundle written but for config.json: hostname, hosts, resolv.conf, volumes."""
    from ringfence.engine.options_namespaces import container_of

    host = facts(engine, record, options)
    if options.group:
        from ringfence.engine import group_cgroup

        group_cgroup.make(engine, options.group)
    shared = container_of(options.network)
    spec_files.write(record.id, options, host, shared=places.bundle(engine, engine.records.find(shared).id) if shared
                     else "", place=plug.place() if plug else None)  # fmt: skip
    if record.mounts:
        from ringfence.engine.volumes import Volumes

        Volumes(engine.root).prepare(record.mounts, lambda: root.stored(engine, record))
    document = spec.build(record, {"config": record.image_config}, options, host)
    return Launch(record.id, document, host.bundle, root=engine.snapshots.mounts(record.id),
                  monitoring=monitoring(engine, record, options, window), volatile=record.auto_remove,
                  text=json.dumps(document), connect=plug.connect if plug else None)  # fmt: skip


def write_spec(launch: Launch) -> None:
    """config.json of the bundle: for people, `exec` and other runtimes. Ours keeps a copy of its own."""
    files.write(f"{launch.bundle}/config.json", launch.text)


def monitoring(engine: Engine, record: ContainerRecord, options: Options, window: tuple[int, int]) -> Monitoring:
    """The monitor's orders."""
    from ringfence.engine import health

    id, log = record.id, options.log_opt
    interval = health.interval(record, options)
    policy, plugged = options.restart["policy"], requests(options)
    return Monitoring(
        log=Log(options.log_driver, places.log_file(engine, id), log.get("max-size", 0), log.get("max-file", 1)),
        attach_socket=places.attach_socket(engine, id),
        exit_file=places.exit_file(engine, id),
        exit_command=command(engine, "exited", id) if record.auto_remove or policy != "no" or plugged else (),
        event_file=places.events_file(engine),
        event=events.monitored(record),
        health=(interval, command(engine, "healthcheck", id)) if interval else (0, ()),
        timeout=options.timeout,
        terminal=options.tty,
        stdin=options.interactive,
        window=window,
    )


def command(engine: Engine, verb: str, id: str) -> Sequence[str]:
    """The argv by which a monitor calls this engine: independent of PATH, of the environment and of site-packages."""
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return (sys.executable, "-I", "-S", "-c", _ENTRY, package, verb, engine.root, engine.state,
            engine.snapshotter_name, id)  # fmt: skip

