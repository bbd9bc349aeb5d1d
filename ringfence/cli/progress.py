"""What a pull or push tells while it goes on: bars at a terminal, docker's lines elsewhere."""

from __future__ import annotations

import threading
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, TextIO

    from ringfence.images.pull import Tell

_MOVING = frozenset(("Downloading", "Pushing"))


@contextmanager
def shown(stream: TextIO, *, quiet: bool = False) -> Iterator[Tell]:
    """Who is to be told, while the block runs."""
    if quiet:
        yield lambda event: None
    elif stream.isatty():
        with _Bars(stream) as bars:
            yield bars.tell
    else:
        yield _Lines(stream).tell


class Screen:
    """A terminal for bytes from anywhere, and for the bars of pulls, of which several may go on at once."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._bars: _Bars | None = None
        self._pulls = 0
        self._begun = b""  # of a line, while there are bars

    def write(self, data: bytes) -> None:
        """Above the bars by whole lines, if there are any."""
        with self._lock:
            if self._bars is None:
                self._put(data)
                return
            *lines, self._begun = (self._begun + data).split(b"\n")
            for line in lines:
                self._bars.line(line.decode(errors="replace"))

    @contextmanager
    def pulling(self) -> Iterator[Tell]:
        """Who is told of a pull."""
        with self._lock:
            if self._bars is None:
                self._bars = _Bars(self._stream).__enter__()
            self._pulls += 1
            tell = self._bars.tell
        try:
            yield tell
        finally:
            with self._lock:
                self._pulls -= 1
                if self._pulls == 0:
                    self._bars.__exit__()
                    self._bars = None
                    self._put(self._begun)
                    self._begun = b""

    def _put(self, data: bytes) -> None:
        self._stream.buffer.write(data)
        self._stream.buffer.flush()


class _Lines:
    """One line whenever something changes; nothing about mere bytes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._last: dict[str, str] = {}

    def tell(self, event: dict[str, Any]) -> None:
        id, status = event.get("id", ""), event["status"]
        with self._lock:
            if id and (status in _MOVING or self._last.get(id) == status):
                return
            self._last[id] = status
            self._stream.write(f"{id}: {status}\n" if id else f"{status}\n")
            self._stream.flush()


class _Bars:
    """One row for each layer; lines stand above them."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

        columns = (TextColumn("{task.fields[id]}: {task.description}"), BarColumn(), DownloadColumn())
        self._console = Console(file=stream, highlight=False, markup=False)
        self._progress = Progress(*columns, console=self._console)
        self._rows: dict[str, Any] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._progress.stop()

    def line(self, text: str) -> None:
        """A line of somebody else, as it is."""
        self._console.out(text, highlight=False)

    def tell(self, event: dict[str, Any]) -> None:
        id, status, detail = event.get("id", ""), event["status"], event.get("progressDetail") or {}
        with self._lock:
            if not id or status.startswith("Pulling from"):
                self._console.print(f"{id}: {status}" if id else status, soft_wrap=True)
                return
            if id not in self._rows:
                self._rows[id] = self._progress.add_task(status, total=None, id=id)
            known = {"completed": detail["current"], "total": detail["total"]} if detail else {}
            if status in ("Already exists", "Layer already exists", "Pull complete", "Pushed") and not known:
                known = {"completed": 1, "total": 1} if self._is_new(id) else {}
            self._progress.update(self._rows[id], description=status, **known)

    def _is_new(self, id: str) -> bool:
        return self._progress.tasks[self._rows[id]].total is None
