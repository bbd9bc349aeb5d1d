"""Bundles for tests of the runtime: a spec to be changed freely, a tree of the host image, and a run to its end."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ringfence.linux.mounts import Mount
    from ringfence.runtime.native import OciRuntime


@dataclass(frozen=True)
class Result:
    exit_code: int
    stdout: str
    stderr: str


class Bundle:
    """An OCI bundle: `spec` is what `ringrun spec` writes, without terminal; `rootfs` its own copy of a tree."""

    def __init__(self, path: Path) -> None:
        from ringfence.oci.runtime_spec import default_spec

        self.path = path
        self.rootfs = path / "rootfs"
        self.spec: dict[str, Any] = default_spec()
        self.spec["process"]["terminal"] = False
        self.spec["root"]["readonly"] = False

    @property
    def id(self) -> str:
        """A container id that no other test has at the same time."""
        return self.path.parent.name

    def write(self) -> Path:
        """Put the spec into config.json, for runtimes that are commands."""
        (self.path / "config.json").write_text(json.dumps(self.spec))
        return self.path

    def shell(self, script: str) -> Bundle:
        """Make `script` the container's program."""
        self.spec["process"]["args"] = ["sh", "-c", script]
        return self

    def mount(self, destination: str, type: str, source: str | Path, *options: str) -> Bundle:
        """Append a mount to the spec."""
        entry = {"destination": destination, "type": type, "source": str(source), "options": list(options)}
        self.spec["mounts"].append(entry)
        return self

    def without_mount(self, destination: str) -> Bundle:
        """Drop the spec's mount at `destination`."""
        self.spec["mounts"] = [mount for mount in self.spec["mounts"] if mount["destination"] != destination]
        return self

    def run(self, runtime: OciRuntime, *, root: list[Mount] | None = None, fault: tuple[int, int] = (-1, 0)) -> Result:
        """Start it, gather what it prints, delete it."""
        from ringfence.engine.session import Session
        from ringfence.runtime.interface import Launch, Monitoring

        launch = Launch(self.id, self.spec, str(self.path), monitoring=Monitoring(), root=root or [], fault=fault)
        started = runtime.start(launch)
        code, stdout, stderr = Session(self.id, started.control, tty=False).collect()
        runtime.delete(self.id, force=True)
        return Result(code, stdout.decode(), stderr.decode())

    def start(self, runtime: OciRuntime) -> int:
        """Start it in the background; returns the pid. The `runtime` fixture ends it."""
        from ringfence.runtime.interface import Launch, Monitoring

        started = runtime.start(Launch(self.id, self.spec, str(self.path), monitoring=Monitoring()))
        started.control.close()
        return started.pid


def exec_in(runtime: OciRuntime, bundle: Bundle, args: list[str], **process: object) -> Result:
    """Run another process in a started bundle's container and gather what it prints."""
    from ringfence.engine.session import Session
    from ringfence.runtime.interface import Monitoring

    wanted = {**bundle.spec["process"], "args": args, **process}
    started = runtime.exec(bundle.id, wanted, Monitoring())
    code, stdout, stderr = Session(bundle.id, started.control, tty=False).collect()
    return Result(code, stdout.decode(), stderr.decode())
