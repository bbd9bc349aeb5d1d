"""The programs that are compared, each behind the few verbs that the bench times.

An OCI runtime starts a bundle: crun, runc, ringrun. An engine starts an image: podman, docker, ringfence, and
Ringfence's library, which is the only one that is called and not executed.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bench.material import PAUSE, SMALL, Material
from bench.measure import Failure, execute
from bench.workplace import crun_refuses
from ringfence import Engine
from ringfence.errors import RingfenceError


class Host:
    """What can keep containers: `start` returns the name of one that stays until it is removed."""

    name: str

    def label(self, verb: str) -> str:
        """How a verb of it is called in a table."""
        return f"{self.name} {verb}"

    def start(self) -> str:
        raise NotImplementedError

    def exec(self, container: str) -> None:
        raise NotImplementedError

    def ps(self) -> None:
        raise NotImplementedError

    def remove(self, containers: Sequence[str]) -> None:
        raise NotImplementedError

    def try_start(self) -> str | None:
        """`start`, or None once it is told why this one is left out: a peer may be here and refuse."""
        try:
            return self.start()
        except Failure as failure:
            print(f"  {self.name} is left out: {failure}", flush=True)
            return None

    def dismiss(self, containers: Sequence[str]) -> None:
        """Remove what may be there or half there, and only tell of what fails."""
        for container in containers:
            try:
                self.remove([container])
            except Failure as failure:
                print(f"  {self.name} cannot remove {container}: {failure}", flush=True)


class ImageHost(Host):
    """A host that starts images. `data` is where it keeps them."""

    data: Path

    def load(self, archive: Path) -> None:
        raise NotImplementedError

    def try_load(self, archives: Iterable[Path]) -> bool:
        """Whether all are loaded; if not, it is told why this one is left out."""
        try:
            for archive in archives:
                self.load(archive)
        except Failure as failure:
            print(f"  {self.name} is left out: {failure}", flush=True)
            return False
        return True

    def run(self, image: str) -> None:
        """Start to exit, and remove."""
        raise NotImplementedError

    def start_image(self, image: str) -> str:
        raise NotImplementedError

    def start(self) -> str:
        return self.start_image(SMALL)


class Runtime(Host):
    """An OCI runtime by runc's command line; with docker's seccomp profile if `confined`, as engines call it."""

    def __init__(self, name: str, program: str, material: Material, state: Path, *, confined: bool = False) -> None:
        self._suffix = ", seccomp" if confined else ""
        self.name = name + self._suffix
        self.confined = confined
        self._argv = [program, "--root", str(state / name)]
        self._material = material
        self._log = str(state / f"{name}.log")
        self._ids = map(f"rfb-{os.getpid()}-{name}{'s' * confined}-{{}}".format, itertools.count())

    def label(self, verb: str) -> str:
        return f"{self.name.removesuffix(self._suffix)} {verb}{self._suffix}"

    def run(self) -> None:
        self._do("run", "--bundle", self._bundle("true"), next(self._ids))

    def create(self) -> str:
        """A container whose program has not started."""
        container = next(self._ids)
        self._do("create", "--bundle", self._bundle("pause"), container)
        return container

    def start(self) -> str:
        container = next(self._ids)
        self._do("run", "--detach", "--bundle", self._bundle("pause"), container)
        return container

    def _bundle(self, program: str) -> str:
        return str(self._material.bundles[program + self._suffix])

    def exec(self, container: str) -> None:
        self._do("exec", container, "/bin/true")

    def ps(self) -> None:
        self._do("list")

    def remove(self, containers: Sequence[str]) -> None:
        for container in containers:
            self._do("delete", "--force", container)

    def _do(self, *words: str) -> None:
        execute([*self._argv, *words], log=self._log)


class EngineCommand(ImageHost):
    """An engine by docker's command line."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        data: Path,
        log: Path,
        *,
        flags: Sequence[str] = (),
        network: Sequence[str] = ("--network", "none"),
        removal: Sequence[str] = (),
        **environment: str,
    ) -> None:
        self.name = name
        self.data = data
        self._argv = list(argv)
        self._flags = [*network, *flags]
        self._removal = ["rm", "--force", *removal]
        self._environment = os.environ | environment
        self._log = str(log)
        self._names = map(f"rfb-{os.getpid()}-{name}-{{}}".format, itertools.count())

    def load(self, archive: Path) -> None:
        self._do("load", "--input", str(archive))

    def run(self, image: str, flags: Sequence[str] = ()) -> None:
        self._do("run", "--rm", *self._flags, *flags, image, "/bin/true")

    def start_image(self, image: str, flags: Sequence[str] = ()) -> str:
        container = next(self._names)
        self._do("run", "--detach", "--name", container, *self._flags, *flags, image, *PAUSE)
        return container

    def pid(self, container: str) -> int:
        """Of its first process."""
        argv = [*self._argv, "inspect", "--format", "{{.State.Pid}}", container]
        return int(subprocess.run(argv, capture_output=True, check=True, env=self._environment).stdout)

    def build(self, context: Path) -> None:
        self._do("build", "--quiet", *self._flags, str(context))

    def exec(self, container: str) -> None:
        self._do("exec", container, "/bin/true")

    def ps(self) -> None:
        self._do("ps")

    def remove(self, containers: Sequence[str]) -> None:
        if containers:
            self._do(*self._removal, *containers)

    def discard(self, image: str) -> None:
        """Remove an image from a store that is not the bench's own."""
        self._do("rmi", "--force", image)

    def _do(self, *words: str) -> None:
        execute([*self._argv, *words], environment=self._environment, log=self._log)


class Library(ImageHost):
    """Ringfence called from Python."""

    name = "library"

    def __init__(self, data: Path, state: Path) -> None:
        self.data = data
        self.engine = Engine(str(data), str(state))

    def load(self, archive: Path) -> None:
        with _failures():
            self.engine.load(str(archive))

    def run(self, image: str) -> None:
        with _failures():
            result = self.engine.run(image, ["/bin/true"], rm=True, network="none")
        if result.exit_code:
            raise Failure(f"exit code {result.exit_code}: {result.stderr.decode(errors='replace')}")

    def start_image(self, image: str) -> str:
        with _failures():
            return self.engine.run(image, PAUSE, detach=True, network="none").id

    def exec(self, container: str) -> None:
        with _failures():
            self.engine.exec(container, ["/bin/true"])

    def ps(self) -> None:
        self.engine.ps()

    def remove(self, containers: Sequence[str]) -> None:
        with _failures():
            for container in containers:
                self.engine.rm(container, force=True)


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    """What the library raises, as the commands' failures are."""
    try:
        yield
    except (RingfenceError, OSError) as error:
        raise Failure(f"{type(error).__name__}: {error}") from error


def runtimes(material: Material, state: Path) -> list[Runtime]:
    """crun and runc if they are installed, and ringrun, each without and with a seccomp profile."""
    programs = [(name, shutil.which(name)) for name in ("crun", "runc")] + [("ringrun", our_command("ringrun"))]
    return [
        Runtime(name, program, material, state, confined=confined)
        for name, program in programs
        if program
        for confined in (False, True)
    ]


def peers(data: Path, state: Path) -> list[EngineCommand]:
    """podman, with a store of its own, if it is installed, and docker, with its daemon's, if one answers."""
    found = []
    docker = shutil.which("docker")
    if shutil.which("podman"):
        found.append(podman(data, state))
    if docker:
        with contextlib.suppress(Failure):
            execute([docker, "info"])
            store = Path("/var/lib/docker")
            found.append(EngineCommand("docker", [docker], store, state / "docker.log"))
    return found


def podman(data: Path, state: Path, network: Sequence[str] = ("--network", "none")) -> EngineCommand:
    """podman, with a store of its own."""
    own = ["--root", str(data / "podman"), "--runroot", str(state / "podman"), "--tmpdir", str(state / "libpod")]
    # As root without CAP_SYS_RESOURCE podman cannot raise the limits that it raises by default.
    flags = ["--ulimit", "nofile=10000:10000", "--ulimit", "nproc=10000:10000"]
    runtime = ["--runtime", "runc"] if crun_refuses(state) else []
    argv = [shutil.which("podman") or "podman", *own, "--cgroup-manager", "cgroupfs", *runtime]
    return EngineCommand("podman", argv, data / "podman", state / "podman.log", flags=flags, removal=["--time", "0"],
                         network=network)  # fmt: skip


def ringfence(data: Path, state: Path, network: Sequence[str] = ("--network", "none")) -> EngineCommand:
    """The command, on the same directories as the library."""
    own = {"RINGFENCE_ROOT": str(data), "RINGFENCE_STATE": str(state)}
    return EngineCommand("ringfence", [our_command("ringfence")], data, state.parent / "ringfence.log", network=network,
                         **own)  # fmt: skip


def our_command(name: str) -> str:
    """The command as `make setup` installed it beside this interpreter."""
    return str(Path(sys.executable).with_name(name))
