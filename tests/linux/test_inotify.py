"""A watch wakes for what happens in its directory, also for what happened before it was asked."""

from __future__ import annotations

import os
import select
import threading
import time
from pathlib import Path

import pytest

from ringfence.linux.inotify import Changes, Watch

LONG = 30.0  # seconds


@pytest.mark.parametrize("act", ["write", "make", "rename"])
def test_it_wakes_for_what_is_written_made_or_renamed(act: str, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("")
    (tmp_path.parent / f"{tmp_path.name}-new").write_text("")
    acts = {
        "write": lambda: (tmp_path / "there").write_text("more"),
        "make": lambda: (tmp_path / "made").touch(),
        "rename": lambda: (tmp_path.parent / f"{tmp_path.name}-new").rename(tmp_path / "there"),
    }
    with Watch(str(tmp_path)) as watch:
        before = time.monotonic()
        timer = threading.Timer(0.05, acts[act])
        timer.start()
        watch.wait(LONG)
        timer.join()
    assert time.monotonic() - before < LONG


def test_what_happened_between_two_waits_is_not_missed(tmp_path: Path) -> None:
    with Watch(str(tmp_path)) as watch:
        (tmp_path / "made").touch()
        before = time.monotonic()
        watch.wait(LONG)
        assert time.monotonic() - before < LONG


def test_without_anything_it_returns_in_time(tmp_path: Path) -> None:
    with Watch(str(tmp_path)) as watch:
        watch.wait(0.01)


def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="none"):
        Watch(str(tmp_path / "none"))


def test_the_names_of_what_is_renamed_and_removed_are_told_once(tmp_path: Path) -> None:
    with Changes(str(tmp_path)) as changes:
        assert changes.read() == []
        for name in ("a", "ä", "a"):
            (tmp_path / "new").write_text("")
            (tmp_path / "new").rename(tmp_path / name)
        (tmp_path / "ä").unlink()
        assert changes.descriptor is not None and select.select([changes.descriptor], [], [], LONG)[0]
        assert changes.read() == ["a", "ä"]
        assert changes.read() == []


def test_when_there_are_too_many_names_or_the_directory_has_gone_they_are_not_known(tmp_path: Path) -> None:
    directory = tmp_path / "there"
    directory.mkdir()
    with Changes(str(directory)) as changes:
        most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
        for number in range(most // 2 + 10):
            (directory / "new").touch()
            os.rename(directory / "new", directory / str(number % 2))
            os.unlink(directory / str(number % 2))
        assert changes.read() is None
        assert changes.read() == []
        directory.rmdir()
        assert changes.read() is None
