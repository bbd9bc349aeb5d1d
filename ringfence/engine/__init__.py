"""The engine: containers as people know them, with docker's words and docker's shapes, and no daemon.

`Engine` is the library's front door and all that the command line uses. Each verb is a method here and a module of the
same name beside this file. A container is named by its name, its id, or any unambiguous beginning of the id; an unknown
one raises NotFound `no such container: X`. Results are plain data with docker's keys (`inspect`, `ps`, `images`, ...);
whatever goes on for long is a generator (`logs`, `events`, `stats`). Options of `create`, `run`, `exec` and `update`
are named as docker's long flags in snake case and take what a person types: `memory="64m"`, `volume=["/a:/b:ro"]`.
"""

from __future__ import annotations

import os

from ringfence.errors import Denied

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import Any, BinaryIO, Literal, overload

    from ringfence.content.store import ContentStore
    from ringfence.engine.container import Container, RunResult
    from ringfence.engine.groups import Groups
    from ringfence.engine.logs import LogLine
    from ringfence.engine.networks import Networks
    from ringfence.engine.records import ContainerRecord, Records
    from ringfence.engine.session import Session
    from ringfence.images.pull import Tell
    from ringfence.images.store import ImageStore
    from ringfence.runtime.interface import Runtime
    from ringfence.snapshots import Snapshotter

    Filters = Mapping[str, Sequence[str]]


class Engine:
    """One data directory, one state directory, and the containers, images and volumes in them.

    Any number of engines, in any number of processes, may use the same directories at once. An engine belongs to the
    thread that made it.
    """

    def __init__(self, root: str | None = None, state: str | None = None, *, runtime: Runtime | None = None,
                 snapshotter: str = "overlay", environment: Mapping[str, str] | None = None) -> None:  # fmt: skip
        """`root` keeps what must last (/var/lib/ringfence), `state` what a reboot may forget (/run/ringfence).

        `environment` tells where a user's settings for registries are (HOME, DOCKER_CONFIG, HTTPS_PROXY, ...); without
        it they are looked for in that user's home directory, and proxies are not used.
        Denied for an ordinary user who has not called `enter_user_namespace` before.
        """
        from ringfence.engine import places

        if os.geteuid() != 0:
            hint = "call ringfence.enter_user_namespace() first"
            raise Denied("an engine needs root, or a user namespace in which its user is root", hint=hint)
        self.root = os.path.abspath(root or places.data_directory())
        self.state = os.path.abspath(state or places.state_directory())
        self.snapshotter_name = snapshotter
        self.environment: Mapping[str, str] = environment or {}
        self.pulling: Callable[[], AbstractContextManager[Tell]] | None = None
        """Called when an image has to be pulled for a container; the context gives who is told of it."""
        self.access: Mapping[str, object] = {}  # to registries, where a verb is not told it
        self.warned: Callable[[str], None] | None = None
        """Called with what somebody should know of this machine, one line each, as a start comes upon it."""
        self._runtime = runtime
        self._database: sqlite3.Connection | None = None
        self._records: Records | None = None
        self._groups: Groups | None = None
        self._networks: Networks | None = None
        self._content: ContentStore | None = None
        self._images: ImageStore | None = None
        self._snapshots: Snapshotter | None = None

    # The parts below, each opened when it is first used ---------------------------------------------------------------

    @property
    def runtime(self) -> Runtime:
        if self._runtime is None:
            from ringfence.runtime.native import OciRuntime

            self._runtime = OciRuntime(self.state)
        return self._runtime

    def runtime_of(self, record: ContainerRecord) -> Runtime:
        """The runtime that a container was created with (--runtime)."""
        name = record.options.get("runtime")
        if not name:
            return self.runtime
        from ringfence.engine import runtimes

        return runtimes.find(self, name)

    @property
    def database(self) -> sqlite3.Connection:
        if self._database is None:
            from ringfence.content import database

            self._database = database.connect(self.root)
        return self._database

    @property
    def records(self) -> Records:
        if self._records is None:
            from ringfence.engine.records import Records

            self._records = Records(self.database)
        return self._records

    @property
    def groups(self) -> Groups:
        if self._groups is None:
            from ringfence.engine.groups import Groups

            self._groups = Groups(self.database)
        return self._groups

    @property
    def networks(self) -> Networks:
        if self._networks is None:
            from ringfence.engine.networks import Networks

            self._networks = Networks(self.database)
        return self._networks

    @property
    def content(self) -> ContentStore:
        if self._content is None:
            from ringfence.content.store import ContentStore

            self._content = ContentStore(self.root)
        return self._content

    @property
    def image_store(self) -> ImageStore:
        if self._images is None:
            from ringfence.images.store import ImageStore

            # Each of two connections would forget what it knows of the database whenever the other has written.
            self._images = ImageStore(self.root, lambda: self.database)
        return self._images

    @property
    def snapshots(self) -> Snapshotter:
        if self._snapshots is None:
            from ringfence.linux import namespaces
            from ringfence.snapshots import open_snapshotter

            name, rootless = self.snapshotter_name, not namespaces.privileged()
            if rootless:
                from ringfence.engine.rootless import snapshotter

                name = snapshotter(self.root, name)
            self._snapshots = open_snapshotter(self.root, name, userxattr=rootless)
        return self._snapshots

    def close(self) -> None:
        """Close the database, and give up what is prepared; the engine opens it again when it is used again."""
        if self._runtime is not None:
            self._runtime.close()
        if self._snapshots is not None:
            self._snapshots.clear()
        if self._images is not None:
            self._images.close()
        if self._database is not None:
            self._database.close()
        self._database = self._records = self._groups = self._networks = self._images = None

    def sibling(self) -> Engine:
        """An engine of the same directories for another thread."""
        made = Engine(self.root, self.state, runtime=self.runtime, snapshotter=self.snapshotter_name,
                      environment=self.environment)  # fmt: skip
        made.access, made.warned = self.access, self.warned
        return made

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    # From an image to a process and back ------------------------------------------------------------------------------

    def create(self, image: str, command: Sequence[str] | None = None, **options: object) -> Container:
        """Make a container and do not start it. Its handle has `.id`, `.name` and `.warnings` (a list of lines).

        InvalidInput for an option that cannot be right, Unsupported for one not built yet, Conflict if the name is
        taken, NotFound if there is no such image (`host` is made on first use).
        """
        from ringfence.engine import create as verb

        return verb.create(self, image, command, options)

    if TYPE_CHECKING:

        @overload
        def run(self, image: str, command: Sequence[str] | None = None, *, detach: Literal[False] = False,
                input: bytes | None = None, **options: object) -> RunResult: ...  # fmt: skip

        @overload
        def run(self, image: str, command: Sequence[str] | None = None, *, detach: Literal[True],
                input: bytes | None = None, **options: object) -> Container: ...  # fmt: skip

    def run(self, image: str, command: Sequence[str] | None = None, *, detach: bool = False,
            input: bytes | None = None, **options: object) -> RunResult | Container:  # fmt: skip
        """Create and start. In the foreground: wait and return RunResult(exit_code, stdout, stderr, id) (bytes).

        With `detach` return the running container's handle. `input` is fed to its stdin (implies interactive). If its
        program cannot be executed, CannotExecute; the container then stays in state created, unless `rm`.
        """
        from ringfence.engine import run as verb

        return verb.run(self, image, command, options, detach=detach, input=input)

    def launch(self, container: str, *, window: tuple[int, int] = (0, 0)) -> Session:
        """Start a created or exited container and stay its owner: the session pumps its stdio until the exit.

        `window` is (rows, columns) of the terminal if the container has one. See `Session`: the caller ends with
        `session.finish()`, which removes a --rm container, or with `session.close()` (detached; it runs on).
        """
        from ringfence.engine import start as verb

        return verb.launch(self, container, window)

    def start(self, container: str) -> None:
        """Start a created or exited container, detached. One that already runs is left alone, as docker does."""
        from ringfence.engine import start as verb

        verb.start(self, container)

    def stop(self, container: str, *, timeout: int | None = None, signal: str | None = None,
             for_boot: bool = False) -> None:  # fmt: skip
        """Send the stop signal, wait `timeout` seconds (the container's own, or 10; -1: for ever), then SIGKILL.

        `for_boot` is for a machine that goes down: what the container's policy starts at the next boot it still does.
        """
        from ringfence.engine import stop as verb

        verb.stop(self, container, timeout, signal, for_boot=for_boot)

    def restart(self, container: str, *, timeout: int | None = None, signal: str | None = None) -> None:
        """Stop it if it runs, then start it."""
        from ringfence.engine import restart as verb

        verb.restart(self, container, timeout, signal)

    def kill(self, container: str, *, signal: str = "KILL") -> None:
        """Send `signal` to its init process. Conflict if it is not running."""
        from ringfence.engine import kill as verb

        verb.kill(self, container, signal)

    def pause(self, container: str) -> None:
        """Freeze all its processes. Conflict unless it is running."""
        from ringfence.engine import pause as verb

        verb.pause(self, container)

    def unpause(self, container: str) -> None:
        """Thaw it. Conflict unless it is paused."""
        from ringfence.engine import unpause as verb

        verb.unpause(self, container)

    def wait(self, container: str, *, condition: str = "not-running", timeout: float | None = None) -> int:
        """Block until it has exited and return its exit code; `condition`: not-running, next-exit or removed.

        DeadlineExceeded after `timeout` seconds.
        """
        from ringfence.engine import wait as verb

        return verb.wait(self, container, condition, timeout)

    def exec(self, container: str, command: Sequence[str], *, detach: bool = False, input: bytes | None = None,
             **options: object) -> RunResult:  # fmt: skip
        """Run another process in a running container and wait for it: RunResult(exit_code, stdout, stderr, id).

        Options: interactive, tty, user, workdir, env, env_file, privileged. With `detach` the exit code is 0 at once.
        """
        from ringfence.engine import exec as verb

        return verb.run(self, container, command, options, detach=detach, input=input)

    def exec_session(self, container: str, command: Sequence[str], *, window: tuple[int, int] = (0, 0),
                     **options: object) -> Session:  # fmt: skip
        """As `exec`, for a caller that pumps stdio itself; `session.finish()` returns the exit code."""
        from ringfence.engine import exec as verb

        return verb.session(self, container, command, options, window)

    def attach(self, container: str) -> Session:
        """Join the stdio of a running container: what it prints from now on. Conflict unless it is running."""
        from ringfence.engine import attach as verb

        return verb.attach(self, container)

    def rm(self, container: str, *, force: bool = False, volumes: bool = False) -> None:
        """Remove a container (Conflict if it runs, unless `force`), with its anonymous volumes if `volumes`."""
        from ringfence.engine import rm as verb

        verb.rm(self, container, force=force, volumes=volumes)

    def rename(self, container: str, name: str) -> None:
        """Give it another name. Conflict if that is taken."""
        from ringfence.engine import rename as verb

        verb.rename(self, container, name)

    def update(self, container: str, **options: object) -> list[str]:
        """Change limits of a live or stopped container, its mounts or its restart policy; returns warnings.

        Options: memory, memory_swap, memory_reservation, cpus, cpu_shares, cpu_quota, cpu_period, cpuset_cpus,
        cpuset_mems, pids_limit, blkio_weight, restart; mount_add, volume_add, mount_rm (a target).
        """
        from ringfence.engine import update as verb

        return verb.update(self, container, options)

    def container(self, name: str) -> Container:
        """The handle of an existing container."""
        from ringfence.engine.container import Container

        return Container(self, self.records.find(name))

    # Looking ----------------------------------------------------------------------------------------------------------

    def ps(self, *, all: bool = False, filters: Filters | None = None, last: int = -1,
           size: bool = False) -> list[dict[str, Any]]:  # fmt: skip
        """Containers, newest first: the running ones, or with `all` or `last` (the n newest) all of them.

        Each: Id, Names ["/x"], Image, ImageID, Command, Created (s), Ports [], Labels, State, Status ("Up 3 seconds"),
        HostConfig {NetworkMode}, NetworkSettings {Networks}, Mounts, and with `size` SizeRw and SizeRootFs (bytes).
        Filters: id name label ancestor status exited before since volume network health is-task restart-policy
        should-start-on-boot group.
        """
        from ringfence.engine import ps as verb

        return verb.ps(self, all=all, filters=filters or {}, last=last, size=size)

    def inspect(self, name: str, *, type: str | None = None, size: bool = False) -> dict[str, Any]:
        """Everything about a container, image, volume or group (`type`: one of these words; None: the first found)."""
        from ringfence.engine import inspect as verb

        return verb.inspect(self, name, type, size)

    def logs(self, container: str, *, follow: bool = False, tail: int | str = "all", since: str | None = None,
             until: str | None = None) -> Iterator[LogLine]:  # fmt: skip
        """What it printed: LogLine(time "2026-…Z", stream "stdout" or "stderr", data bytes with its newline if any).

        `since` and `until` are times as docker takes them: RFC 3339, seconds since 1970, or a duration such as "10m".
        """
        from ringfence.engine import logs as verb

        return verb.logs(self, container, follow=follow, tail=tail, since=since, until=until)

    def top(self, container: str, ps_arguments: Sequence[str] = ()) -> dict[str, Any]:
        """{"Titles": ["UID", "PID", ...], "Processes": [[...], ...]}, by the host's `ps` (default: -ef)."""
        from ringfence.engine import top as verb

        return verb.top(self, container, ps_arguments)

    def stats(self, containers: Sequence[str] = (), *, all: bool = False, stream: bool = True,
              interval: float = 1.0) -> Iterator[list[dict[str, Any]]]:  # fmt: skip
        """Every `interval` seconds one list with an entry per container (default: every running one).

        Each entry has docker's keys (id, name, read, preread, cpu_stats, precpu_stats, memory_stats, pids_stats,
        blkio_stats, networks) and "Summary" with the columns of `docker stats`: ID, Name, Container, CPUPerc, MemUsage,
        MemPerc, NetIO, BlockIO, PIDs. With `stream=False` one list, after one interval.
        """
        from ringfence.engine import stats as verb

        return verb.stats(self, containers, all=all, stream=stream, interval=interval)

    def diff(self, container: str) -> list[dict[str, Any]]:
        """What it changed in its image's tree: [{"Path": "/etc/x", "Kind": 0 changed | 1 added | 2 deleted}, ...]."""
        from ringfence.engine import diff as verb

        return verb.diff(self, container)

    def events(self, *, since: str | None = None, until: str | None = None, filters: Filters | None = None,
               follow: bool = True) -> Iterator[dict[str, Any]]:  # fmt: skip
        """Events in docker's shape: Type, Action, Actor {ID, Attributes}, scope, time (s), timeNano.

        Filters: container group image volume type event label. With `until` or `follow=False` it ends.
        """
        from ringfence.engine import events as verb

        return verb.events(self, since=since, until=until, filters=filters or {}, follow=follow)

    def explain(self, container: str) -> dict[str, Any]:
        """How a container is made and what it uses now: namespaces, cgroups, layers and plan; see engine/explain.py.

        `explain.text(...)` of that module turns it into a page for people.
        """
        from ringfence.engine import explain as verb

        return verb.explain(self, container)

    def explain_image(self, image: str) -> dict[str, Any]:
        """What each layer of an image adds, shadows and wastes, and who shares it; see engine/explain_image.py."""
        from ringfence.engine import explain_image as verb

        return verb.explain_image(self, image)

    def explain_run(self, image: str, command: Sequence[str] | None = None, **options: object) -> dict[str, Any]:
        """As `explain`, for `run` with these arguments, before anything exists."""
        from ringfence.engine import explain as verb

        return verb.explain_run(self, image, command, options)

    # Files ------------------------------------------------------------------------------------------------------------

    def cp(self, source: str, target: str, *, archive: bool = False, follow_link: bool = False,
           stream: BinaryIO | None = None) -> None:  # fmt: skip
        """Copy between "CONTAINER:PATH" and a path here; "-" is the tar archive on `stream` (read or written)."""
        from ringfence.engine import cp as verb

        verb.cp(self, source, target, archive=archive, follow_link=follow_link, stream=stream)

    def export(self, container: str, output: BinaryIO) -> None:
        """Write its whole tree to `output` as a tar archive."""
        from ringfence.engine import export as verb

        verb.export(self, container, output)

    def commit(self, container: str, reference: str | None = None, *, author: str = "", message: str = "",
               change: Sequence[str] = (), pause: bool = True) -> str:  # fmt: skip
        """Make an image of it; returns the image ID "sha256:…"."""
        from ringfence.engine import commit as verb

        return verb.commit(self, container, reference, author=author, message=message, change=change, pause=pause)

    # Images -----------------------------------------------------------------------------------------------------------

    def images(self, reference: str | None = None, *, all: bool = False,
               filters: Filters | None = None) -> list[dict[str, Any]]:  # fmt: skip
        """Images, newest first: Id, ParentId, RepoTags, RepoDigests, Created (s), Size, SharedSize, Labels, Containers.

        Filters: reference label dangling before since until.
        """
        from ringfence.engine import images as verb

        return verb.images(self, reference, all=all, filters=filters or {})

    def rmi(self, image: str, *, force: bool = False) -> list[dict[str, str]]:
        """Remove a name, and the image with its last one: [{"Untagged": name}, {"Deleted": id}]."""
        from ringfence.engine import images as verb

        return verb.rmi(self, image, force=force)

    def tag(self, source: str, target: str) -> None:
        from ringfence.engine import images as verb

        verb.tag(self, source, target)

    def untag(self, image: str, names: Sequence[str] = ()) -> None:
        """Take names, by default all of them, from an image, which stays."""
        from ringfence.engine import images as verb

        verb.untag(self, image, names)

    def load(self, source: BinaryIO | str) -> list[str]:
        """Load a docker or OCI archive (an open file, or a path, which may be an OCI directory); returns the names."""
        from ringfence.engine import images as verb

        return verb.load(self, source)

    def save(self, images: Sequence[str], output: BinaryIO | str, *, format: str = "docker-archive") -> None:
        """Write images as "docker-archive", "oci-archive" (an open file or a path) or "oci-dir" (a path)."""
        from ringfence.engine import images as verb

        verb.save(self, images, output, format=format)

    def import_image(self, source: BinaryIO, reference: str | None = None, *, message: str = "",
                     change: Sequence[str] = (), platform: str = "") -> str:  # fmt: skip
        """Make a one-layer image of a tar archive of a root filesystem; returns the image ID."""
        from ringfence.engine import images as verb

        return verb.import_image(self, source, reference, message=message, change=change, platform=platform)

    def history(self, image: str) -> list[dict[str, Any]]:
        """Newest first: Id ("<missing>" but for the top), Created (s), CreatedBy, Tags, Size, Comment."""
        from ringfence.engine import images as verb

        return verb.history(self, image)

    # Volumes ----------------------------------------------------------------------------------------------------------

    def volume_create(self, name: str | None = None, *, driver: str = "local", opt: Sequence[str] = (),
                      label: Sequence[str] = ()) -> dict[str, Any]:  # fmt: skip
        """Make a volume (a random name if None; an existing one is returned as it is). Shape: see volume_inspect."""
        from ringfence.engine import volume as verb

        return verb.create(self, name, driver=driver, opt=opt, label=label)

    def volume_ls(self, *, filters: Filters | None = None) -> list[dict[str, Any]]:
        """Filters: name label driver dangling."""
        from ringfence.engine import volume as verb

        return verb.ls(self, filters=filters or {})

    def volume_inspect(self, name: str) -> dict[str, Any]:
        """Name, Driver, Mountpoint, CreatedAt, Labels, Options, Scope."""
        from ringfence.engine import volume as verb

        return verb.inspect(self, name)

    def volume_rm(self, name: str, *, force: bool = False) -> None:
        """Conflict while a container uses it; with `force` a missing one is no error."""
        from ringfence.engine import volume as verb

        verb.rm(self, name, force=force)

    # Groups -----------------------------------------------------------------------------------------------------------

    def group_create(self, name: str, *, label: Sequence[str] = (), **limits: object) -> dict[str, Any]:
        """Make a group of containers (`run(..., group=name)`) that share limits; "gold/silver" is one inside "gold".

        Limits: memory, memory_swap, memory_reservation, cpus, cpu_shares, cpu_quota, cpu_period, cpuset_cpus,
        cpuset_mems, pids (or pids_limit), blkio_weight, blkio_weight_device, device_read_bps and its like. Shape: see
        group_inspect, and "Warnings". Conflict if there is one of that name.
        """
        from ringfence.engine import group as verb

        return verb.create(self, name, limits, label)

    def group_ls(self, *, filters: Filters | None = None) -> list[dict[str, Any]]:
        """All groups, by name, in the shape of group_inspect. Filters: id name label."""
        from ringfence.engine import group as verb

        return verb.ls(self, filters=filters or {})

    def group_inspect(self, name: str) -> dict[str, Any]:
        """Name, Id, Created, Parent, Groups (just below it), CgroupPath, Limits (docker's words), Labels, Containers.

        Containers: {id: {Name, Group, State}} of it and of the groups below it.
        """
        from ringfence.engine import group as verb

        return verb.inspect(self, name)

    def group_update(self, name: str, **limits: object) -> list[str]:
        """Change limits of a group, live; returns warnings. Those of `update`, but for cpuset_cpus and cpuset_mems."""
        from ringfence.engine import group as verb

        return verb.update(self, name, limits)

    def group_rm(self, name: str, *, force: bool = False) -> None:
        """Conflict while a container or another group is in it; with `force` a missing one is no error."""
        from ringfence.engine import group as verb

        verb.rm(self, name, force=force)

    def group_stats(self, groups: Sequence[str] = (), *, stream: bool = False,
                    interval: float = 1.0) -> Iterator[list[dict[str, Any]]]:  # fmt: skip
        """What the containers of groups (all if none is named) use together, as `stats`, and "containers"."""
        from ringfence.engine import group_stats as verb

        return verb.samples(self, groups, stream=stream, interval=interval)

    # Registries -------------------------------------------------------------------------------------------------------

    def pull(self, reference: str, *, platform: str | None = None, all_tags: bool = False, tell: Tell | None = None,
             **access: object) -> list[dict[str, Any]]:  # fmt: skip
        """Fetch an image (`all_tags`: all of its repository): [{"Name", "Id", "Digest", "Fresh"}], one for each tag.

        `tell` is given dicts in the shape of docker's API: status, id, progressDetail. `access`: tls_verify (True),
        creds ("user:password"), authfile, cert_dir. Denied, NotFound, Failed, or Corrupt if a registry sends something
        else than it says; what has arrived whole is kept, and the next pull goes on from there.
        """
        from ringfence.engine import pull as verb

        return verb.pull(self, reference, platform=platform, all_tags=all_tags, tell=tell, access=access)

    def push(self, reference: str, destination: str = "", *, all_tags: bool = False, compression: str = "",
             tell: Tell | None = None, **access: object) -> list[dict[str, Any]]:  # fmt: skip
        """Store an image in the registry that its name, or the `destination`, says: [{"Tag", "Digest", "Size"}], one
        for each tag.

        `compression` ("gzip", "zstd") is for layers that are stored without. NotFound if there is no image of that name
        here; `tell` and `access` as for `pull`.
        """
        from ringfence.engine import push as verb

        return verb.push(self, reference, destination, all_tags=all_tags, compression=compression, tell=tell,
                         access=access)  # fmt: skip

    def login(self, registry: str, username: str, password: str, **access: object) -> str:
        """Ask the registry whether it accepts these, and keep them; returns the file in which the password now stands
        readable, or "" if a credential helper keeps it. Denied if it does not accept them.
        """
        from ringfence.engine import login as verb

        return verb.login(self, registry, username, password, access)

    def logout(self, registry: str, **access: object) -> bool:
        """Forget what `login` kept; whether there was anything."""
        from ringfence.engine import login as verb

        return verb.logout(self, registry, access)

    def manifest_create(self, name: str, images: Sequence[str] = (), *, amend: bool = False, **access: object) -> str:
        """Begin a manifest list of images that are here or in registries; returns its canonical name.

        Conflict if there is one of that name, unless it is to be amended. Their platforms are what their configs say.
        """
        from ringfence.engine import manifest as verb

        return verb.create(self, name, images, amend=amend, access=access)

    def manifest_add(self, name: str, image: str, **access: object) -> None:
        """Take one more image into a manifest list."""
        from ringfence.engine import manifest as verb

        verb.add(self, name, image, access)

    def manifest_annotate(self, name: str, image: str, *, platform: Mapping[str, Any] | None = None,
                          annotations: Mapping[str, str] | None = None) -> None:  # fmt: skip
        """Say otherwise what an image of a list is for: os, architecture, variant, os.version, os.features."""
        from ringfence.engine import manifest as verb

        verb.annotate(self, name, image, platform or {}, annotations or {})

    def manifest_remove(self, name: str, image: str) -> str:
        """Take an image out of a manifest list; returns its digest."""
        from ringfence.engine import manifest as verb

        return verb.take_out(self, name, image)

    def manifest_entries(self, name: str) -> list[dict[str, Any]]:
        """The descriptors of a manifest list here; NotFound."""
        from ringfence.engine import manifest as verb

        return verb.entries(self, name)

    def manifest_inspect(self, name: str, **access: object) -> dict[str, Any]:
        """The manifest list of that name here, else the manifest or index in the registry."""
        from ringfence.engine import manifest as verb

        return verb.inspect(self, name, access)

    def manifest_push(self, name: str, destination: str = "", *, purge: bool = False, tell: Tell | None = None,
                      **access: object) -> str:  # fmt: skip
        """Push a manifest list with its images (under its own name, or as `destination`); returns its digest."""
        from ringfence.engine import manifest as verb

        return verb.store(self, name, destination, purge=purge, tell=tell, access=access)

    def search(self, term: str, *, limit: int = 25, **access: object) -> list[dict[str, Any]]:
        """Repositories of a registry ("HOST/WORD"; without a host docker.io's) that have a word: Name, Description,
        StarCount, IsOfficial."""
        from ringfence.engine import search as verb

        return verb.search(self, term, limit=limit, access=access)

    def tags(self, repository: str, *, limit: int = 25, **access: object) -> list[dict[str, Any]]:
        """The first tags that a registry has of a repository, in their order: Name, Tag."""
        from ringfence.engine import search as verb

        return verb.tags(self, repository, limit=limit, access=access)

    def referrers(self, reference: str, **access: object) -> list[dict[str, Any]]:
        """The descriptors of what refers to an image in its registry: signatures, attestations, lists of parts."""
        from ringfence.engine import search as verb

        return verb.referrers(self, reference, access)

    def manifest_rm(self, name: str) -> None:
        """Forget a manifest list; its images stay."""
        from ringfence.engine import manifest as verb

        verb.remove(self, name)

    # Networks ---------------------------------------------------------------------------------------------------------

    def network_create(self, name: str, *, driver: str = "bridge", subnet: Sequence[str] = (),
                       gateway: Sequence[str] = (), ip_range: Sequence[str] = (), internal: bool = False,
                       ipv6: bool = False, opt: Sequence[str] = (), label: Sequence[str] = (),
                       route: Sequence[str] = (), interface_name: str = "",
                       disable_dns: bool = False) -> dict[str, Any]:  # fmt: skip
        """Make a network; as `network_inspect`. Without `subnet` it gets one that nobody on this machine uses.

        InvalidInput for what cannot be, Conflict for a name or a subnet that is in use, Unsupported.
        """
        from ringfence.engine import network as verb

        return verb.create(self, name, driver=driver, subnet=subnet, gateway=gateway, ip_range=ip_range,
                           internal=internal, ipv6=ipv6, opt=opt, label=label, route=route,
                           interface_name=interface_name, disable_dns=disable_dns)  # fmt: skip

    def network_ls(self, *, filters: Filters | None = None) -> list[dict[str, Any]]:
        """All networks, `bridge`, `host` and `none` among them. Filters: id name label driver dangling type."""
        from ringfence.engine import network as verb

        return verb.ls(self, filters=filters or {})

    def network_inspect(self, name: str) -> dict[str, Any]:
        """Name, Id, Driver, IPAM, Containers (that are plugged in now), ... NotFound."""
        from ringfence.engine import network as verb

        return verb.inspect(self, name)

    def network_rm(self, name: str, *, force: bool = False) -> None:
        """Conflict as long as a container is in it, running or not; `force` removes those first."""
        from ringfence.engine import network as verb

        verb.rm(self, name, force=force)

    def network_connect(self, network: str, container: str, *, alias: Sequence[str] = (), interface: str = "",
                        ip: str = "", ip6: str = "", mac_address: str = "") -> None:  # fmt: skip
        """Put a container into a network, at once if it runs. Conflict if it is in it already."""
        from ringfence.engine import network_connect as verb

        verb.connect(self, network, container, alias=alias, interface=interface, ip=ip, ip6=ip6,
                     mac_address=mac_address)  # fmt: skip

    def network_disconnect(self, network: str, container: str, *, force: bool = False) -> None:
        """Take a container out of a network, at once if it runs. NotFound if it is not in it, unless `force`."""
        from ringfence.engine import network_connect as verb

        verb.disconnect(self, network, container, force=force)

    def port(self, container: str) -> dict[str, list[dict[str, str]]]:
        """Where its ports are published: {"80/tcp": [{"HostIp", "HostPort"}]}; empty if it does not run."""
        from ringfence.engine import port as verb

        return verb.port(self, container)

    # The whole --------------------------------------------------------------------------------------------------------

    def info(self) -> dict[str, Any]:
        """Containers, ContainersRunning, ContainersPaused, ContainersStopped, Images, Driver, CgroupVersion, ..."""
        from ringfence.engine import system as verb

        return verb.info(self)

    def version(self) -> dict[str, Any]:
        """Version, ApiVersion, Os, Arch, KernelVersion, PythonVersion, Components."""
        from ringfence.engine import system as verb

        return verb.version(self)

    def df(self) -> dict[str, Any]:
        """Images, Containers, Volumes: each {TotalCount, Active, Size, Reclaimable, Items}."""
        from ringfence.engine import system as verb

        return verb.df(self)

    def container_prune(self, *, filters: Filters | None = None) -> dict[str, Any]:
        """Remove stopped containers: {"ContainersDeleted": [id], "SpaceReclaimed": bytes}. Filters: until label."""
        from ringfence.engine import prune as verb

        return verb.containers(self, filters or {})

    def image_prune(self, *, all: bool = False, filters: Filters | None = None) -> dict[str, Any]:
        """Remove unnamed (`all`: unused) images: {"ImagesDeleted": [{"Deleted": id}], "SpaceReclaimed": n}."""
        from ringfence.engine import prune as verb

        return verb.images(self, filters or {}, all=all)

    def volume_prune(self, *, all: bool = False, filters: Filters | None = None) -> dict[str, Any]:
        """Remove unused anonymous (`all`: and named) volumes: {"VolumesDeleted": [name], "SpaceReclaimed": n}."""
        from ringfence.engine import prune as verb

        return verb.volumes(self, filters or {}, all=all)

    def network_prune(self, *, filters: Filters | None = None) -> dict[str, Any]:
        """Remove networks that no container is in: {"NetworksDeleted": [name]}. Filter: label."""
        from ringfence.engine import network as verb

        return {"NetworksDeleted": verb.prune(self, filters or {})}

    def system_check(self, *, repair: bool = False, quick: bool = False) -> dict[str, Any]:
        """Compare all that is stored with its digests; `quick`: only that it is there. With `repair` mend what can be.

        {"Checked": {"blobs", "images", "layers"}, "Problems": [{"Kind", "Name", "Why", "Repaired"}], "SpaceReclaimed"}.
        """
        from ringfence.engine import check as verb

        return verb.check(self, repair=repair, quick=quick)

    def system_prune(self, *, all: bool = False, volumes: bool = False,
                     filters: Filters | None = None) -> dict[str, Any]:  # fmt: skip
        """All of the above (volumes only if asked), and whatever a crash left behind: their keys in one dict."""
        from ringfence.engine import prune as verb

        return verb.system(self, filters or {}, all=all, volumes=volumes)

    # Called by a container's monitor ----------------------------------------------------------------------------------

    def exited(self, container: str) -> None:
        """After an exit that no owner saw: remove a --rm container, or restart it by its policy (with its back-off)."""
        from ringfence.engine import exited as verb

        verb.exited(self, container)

    def healthcheck(self, container: str) -> str:
        """Run its health check once and record the result; returns starting, healthy or unhealthy."""
        from ringfence.engine import health as verb

        return verb.check(self, container)
