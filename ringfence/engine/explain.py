"""explain: how a container is made, what it shares with whom, and what it uses, as data and as a page for people.

The data: {"container": {...}, "namespaces": [...], "cgroups": [...], "usage": {...}, "layers": [...], "diff": [...],
"plan": [...]}. Of a container that does not run yet, the parts that only a live one has are empty.
"""

from __future__ import annotations

from ringfence.engine import launch, places, repair, spec, spec_host, status
from ringfence.engine.options import Options, parse
from ringfence.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from ringfence.engine import Engine
    from ringfence.engine.records import ContainerRecord
    from ringfence.engine.status import Status
    from ringfence.runtime.interface import Launch

    Rows = list[dict[str, Any]]

LIMITS = ("memory.max", "memory.limit_in_bytes", "cpu.max", "cpu.cfs_quota_us", "cpu.weight", "cpu.shares", "pids.max",
          "cpuset.cpus", "io.max", "io.weight", "blkio.weight")  # fmt: skip
UNLIMITED = 1 << 62
"""Memory limits of cgroup v1 above this mean none."""
MARKS = {0: "C", 1: "A", 2: "D"}


def explain(engine: Engine, name: str) -> dict[str, Any]:
    """See Engine.explain."""
    record = repair.find(engine, name)
    options = Options.from_json(record.options)
    current = status.of(engine, record)
    found = _frame(record, current.word, current.pid)
    if current.live:
        found["namespaces"] = _namespaces(engine, record, current)
        found["cgroups"] = _cgroups(current.pid)
        found["usage"] = engine.runtime_of(record).stats(record.id)
    found["layers"] = _layers(engine, record.parent, record.id)
    found["diff"] = engine.diff(record.id)
    found["plan"] = _plan(engine, record, launch_of(engine, record, options, engine.snapshots.mounts(record.id)))
    return found


def explain_run(engine: Engine, image: str, command: Sequence[str] | None, raw: Mapping[str, object]) -> dict[str, Any]:
    """See Engine.explain_run. The image is unpacked if it was not: its layers are part of the explanation."""
    from ringfence.engine import create
    from ringfence.images.unpack import unpack
    from ringfence.linux.mounts import Mount

    options = parse(raw)
    create.settle_network(options)
    found_image = create.find_image(engine, image, options)
    unpack(found_image, engine.content, engine.snapshots)
    record = create.describe(found_image, image, command, options)
    record.name = record.name or "(a new name)"
    lowers = [engine.snapshots.layer_path(chain) for chain in reversed(found_image.chain_ids)]
    upper = f"{engine.root}/snapshots/{engine.snapshotter_name}/(new)"
    mounts = [Mount("overlay", "overlay", [f"lowerdir={':'.join(lowers)}", f"upperdir={upper}/fs",
                                           f"workdir={upper}/work"])]  # fmt: skip
    found = _frame(record, "not created", 0)
    found["layers"] = _layers(engine, record.parent, "")
    found["plan"] = _plan(engine, record, launch_of(engine, record, options, mounts))
    return found


def launch_of(engine: Engine, record: ContainerRecord, options: Options, mounts: Sequence[Any]) -> Launch:
    """The launch as `start` would make it, with nothing written."""
    from ringfence.engine.users import User
    from ringfence.runtime.interface import Launch

    try:
        host = launch.facts(engine, record, options)
    except NotFound:  # no snapshot to look a user up in: a number, or root
        host = spec_host.gather(options, bundle=places.bundle(engine, record.id), user=User(), mounts=record.mounts)
    document = spec.build(record, {"config": record.image_config}, options, host)
    orders = launch.monitoring(engine, record, options, (0, 0))
    return Launch(record.id, document, host.bundle, root=mounts, monitoring=orders, volatile=record.auto_remove)


def text(found: Mapping[str, Any]) -> str:
    """The page for people."""
    return "\n".join(_page(found)) + "\n"


def _frame(record: ContainerRecord, word: str, pid: int) -> dict[str, Any]:
    container = {"id": record.id, "name": record.name, "image": record.image, "status": word, "pid": pid,
                 "command": record.args}  # fmt: skip
    return {"container": container, "namespaces": [], "cgroups": [], "usage": {}, "layers": [], "diff": [], "plan": []}


def _namespaces(engine: Engine, record: ContainerRecord, current: Status) -> Rows:
    """Each kind with its inode, and with whom the container shares it: the host, other containers, or nobody."""
    from ringfence.linux import namespaces

    others: dict[tuple[str, int], list[str]] = {}
    for other in repair.every(engine):
        beside = status.of(engine, other)
        if other.id != record.id and beside.live:
            for kind, inode in namespaces.of(beside.pid).items():
                others.setdefault((kind, inode), []).append(other.name)
    host = namespaces.same_as_host(current.pid)
    return [
        {"kind": kind, "inode": inode, "host": host[kind], "containers": others.get((kind, inode), [])}
        for kind, inode in namespaces.of(current.pid).items()
    ]


def _cgroups(pid: int) -> Rows:
    """Each cgroup of the process (cgroups(7), /proc/PID/cgroup): its directory on the host and the limits set there."""
    from ringfence.linux import cgroups

    with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="surrogateescape") as file:
        paths = [line.rstrip("\n").split(":", 2) for line in file]
    by_controllers = {frozenset(words.split(",")) if words else frozenset(): path for _, words, path in paths}
    found = []
    for hierarchy in cgroups.layout().hierarchies:
        names = hierarchy.controllers or ([f"name={hierarchy.name}"] if hierarchy.name else [])
        key = frozenset() if hierarchy.version == 2 else frozenset(names)
        path = by_controllers.get(key)
        if path is None:
            continue
        directory = f"{hierarchy.mountpoint}{path}".rstrip("/")
        found.append({"version": hierarchy.version, "controllers": list(hierarchy.controllers),
                      "directory": directory, "limits": _limits(directory)})  # fmt: skip
    return found


def _limits(directory: str) -> dict[str, str]:
    """The limits of a cgroup that are set to anything but none."""
    found = {}
    for name in LIMITS:
        try:
            with open(f"{directory}/{name}", encoding="ascii") as file:
                value = file.read().strip()
        except OSError:
            continue  # not of this hierarchy
        unlimited = value in ("", "max", "-1", "max 100000") or (value.isdigit() and int(value) > UNLIMITED)
        if not unlimited:
            found[name] = value
    return found


def _layers(engine: Engine, parent: str, key: str) -> Rows:
    """The stack, top first: the diff (what the container writes), then the base's layers, each with its size."""
    snapshots = engine.snapshots
    found: Rows = []
    if key:
        usage = snapshots.usage(key)
        found.append({"role": "diff", "name": key, "directory": snapshots.upper(key), "size": usage.size,
                      "inodes": usage.inodes})  # fmt: skip
    while parent:
        usage = snapshots.usage(parent)
        found.append({"role": "base", "name": parent, "directory": snapshots.layer_path(parent), "size": usage.size,
                      "inodes": usage.inodes})  # fmt: skip
        parent = snapshots.parent(parent)
    return found


def _plan(engine: Engine, record: ContainerRecord, order: Launch) -> Rows:
    """The plan of its runtime. One that is a command does most in one step of it, and keeps that to itself."""
    return engine.runtime_of(record).plan(order).to_json()


def _page(found: Mapping[str, Any]) -> Iterator[str]:
    container = found["container"]
    name, pid = f"{container['name']} ({container['id'][:12]})", container["pid"]
    yield f"Container {name}, of image {container['image']}: {container['status']}"
    yield f"  runs {' '.join(container['command'])}" + (f" as pid {pid}" if pid else "")
    if found["namespaces"]:
        yield from ("", "Namespaces (what it sees)")
        yield from (_namespace_line(row) for row in found["namespaces"])
    if found["cgroups"]:
        yield from ("", "Cgroups (what it may use)")
        for row in found["cgroups"]:
            limits = ", ".join(f"{name} = {value}" for name, value in row["limits"].items())
            yield f"  v{row['version']} {','.join(row['controllers']) or '-':<14} {row['directory']}"
            if limits:
                yield f"       {limits}"
        yield from _usage_lines(found["usage"])
    yield from ("", "Layers (its files, the topmost first; overlay is what it sees of all)")
    for row in found["layers"]:
        yield f"  {row['role']:<5} {_size(row['size']):>9} {row['inodes']:>7} inodes  {row['directory']}"
    if found["diff"]:
        yield from ("", "Diff (A added, C changed, D deleted: what the base has below is unchanged, but shadowed)")
        yield from (f"  {MARKS[change['Kind']]} {change['Path']}" for change in found["diff"])
    yield from ("", f"Plan ({len(found['plan'])} operations, in this order, before the program runs)")
    for row in found["plan"]:
        reason = f"   # {row['reason']}" if row["reason"] else ""
        yield f"  {row['number']:>3} {row['actor']:<9} {row['description']}{reason}"


def _namespace_line(row: Mapping[str, Any]) -> str:
    shared = ["the host"] if row["host"] else []
    shared += [f"container {name}" for name in row["containers"]]
    return f"  {row['kind']:<7} {row['inode']:>11}  {'shared with ' + ', '.join(shared) if shared else 'its own'}"


def _usage_lines(usage: Mapping[str, Any]) -> Iterator[str]:
    memory, cpu, pids = usage.get("memory") or {}, usage.get("cpu") or {}, usage.get("pids") or {}
    yield (
        f"  uses now: memory {_size(memory.get('usage') or 0)} of {_limit(memory.get('limit'), size=True)}, "
        f"cpu {(cpu.get('total') or 0) / 1e9:.3f} s, pids {pids.get('current') or 0} of {_limit(pids.get('limit'))}"
    )


def _limit(value: int | None, *, size: bool = False) -> str:
    if value is None:
        return "no limit"
    return _size(value) if size else str(value)


def _size(number: float) -> str:
    from ringfence.engine import stats

    return stats.size(number, stats.DECIMAL, 3)
