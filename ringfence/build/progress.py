"""What a build tells while it goes on: one line for each step, and what the programs of its RUN steps print."""

from __future__ import annotations

from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ringfence.images.pull import Tell

    Write = Callable[[bytes], object]


class Progress:
    """`write` gets whole lines (bytes), from any thread; None: nothing is told. `stages`: how many are built now."""

    def __init__(self, write: Write | None) -> None:
        self._write = write
        self.stages = 0

    def line(self, stage: int, text: str) -> None:
        """A line about a stage (its number among those that are built, from 1; 0: about the whole build)."""
        self._tell(f"{self._prefix(stage)}{text}\n".encode("utf-8", "surrogateescape"))

    def output(self, stage: int) -> Output:
        """Where one RUN step's program prints."""
        return Output(self._tell, self._prefix(stage).encode())

    @contextmanager
    def pulling(self) -> Iterator[Tell]:
        """Who is told of an image that is pulled: a line whenever something changes, none about mere bytes."""
        last: dict[str, str] = {}

        def tell(event: dict[str, Any]) -> None:
            id, status = event.get("id", ""), event["status"]
            if not id or (status != "Downloading" and last.get(id) != status):
                last[id] = status
                self.line(0, f"{id}: {status}" if id else status)

        yield tell

    def _prefix(self, stage: int) -> str:
        return f"[{stage}/{self.stages}] " if self.stages > 1 and stage else ""

    def _tell(self, data: bytes) -> None:
        if self._write is not None:
            self._write(data)


class Output:
    """The output of one program; with several stages at once by whole lines, each with its stage's mark."""

    def __init__(self, tell: Write, prefix: bytes) -> None:
        self._tell = tell
        self._prefix = prefix
        self._rest = {1: b"", 2: b""}

    def write(self, stream: int, data: bytes) -> None:
        if not self._prefix:
            self._tell(data)
            return
        *lines, self._rest[stream] = (self._rest[stream] + data).split(b"\n")
        self._tell(b"".join(self._prefix + line + b"\n" for line in lines))

    def close(self) -> None:
        for rest in self._rest.values():
            if rest:
                self._tell(self._prefix + rest + b"\n")
        self._rest = {1: b"", 2: b""}
