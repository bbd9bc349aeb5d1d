"""What the library hands out: the handle of a container, and the result of a run."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from ringfence.engine import Engine
    from ringfence.engine.logs import LogLine
    from ringfence.engine.records import ContainerRecord


class RunResult:
    """How a program ended: `exit_code`, `stdout` and `stderr` (bytes; with a terminal all is stdout), `id`."""

    __slots__ = ("exit_code", "id", "stderr", "stdout")

    def __init__(self, exit_code: int, stdout: bytes, stderr: bytes, id: str) -> None:
        self.exit_code = exit_code
        self.stdout = stdout
        self.stderr = stderr
        self.id = id

    def __repr__(self) -> str:
        return f"RunResult(exit_code={self.exit_code}, stdout={self.stdout!r}, stderr={self.stderr!r})"


class Container:
    """One container of one engine; every method is the engine's verb of that name."""

    __slots__ = ("engine", "id", "name", "warnings")

    def __init__(self, engine: Engine, record: ContainerRecord, warnings: Sequence[str] = ()) -> None:
        self.engine = engine
        self.id = record.id
        self.name = record.name
        self.warnings = list(warnings)

    def __repr__(self) -> str:
        return f"Container({self.name!r}, {self.id[:12]})"

    @property
    def status(self) -> str:
        """created, running, paused, restarting, exited, removing or dead, now."""
        from ringfence.engine import status

        return status.of(self.engine, self.engine.records.find(self.id)).word

    def inspect(self) -> dict[str, Any]:
        return self.engine.inspect(self.id, type="container")

    def start(self) -> None:
        self.engine.start(self.id)

    def stop(self, *, timeout: int | None = None) -> None:
        self.engine.stop(self.id, timeout=timeout)

    def restart(self, *, timeout: int | None = None) -> None:
        self.engine.restart(self.id, timeout=timeout)

    def kill(self, *, signal: str = "KILL") -> None:
        self.engine.kill(self.id, signal=signal)

    def pause(self) -> None:
        self.engine.pause(self.id)

    def unpause(self) -> None:
        self.engine.unpause(self.id)

    def wait(self, *, timeout: float | None = None) -> int:
        return self.engine.wait(self.id, timeout=timeout)

    def exec(self, command: Sequence[str], *, detach: bool = False, input: bytes | None = None,
             **options: object) -> RunResult:  # fmt: skip
        return self.engine.exec(self.id, command, detach=detach, input=input, **options)

    def logs(self, *, follow: bool = False, tail: int | str = "all") -> Iterator[LogLine]:
        return self.engine.logs(self.id, follow=follow, tail=tail)

    def remove(self, *, force: bool = False, volumes: bool = False) -> None:
        self.engine.rm(self.id, force=force, volumes=volumes)
