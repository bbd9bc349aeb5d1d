"""A pid file appears whole, and never in the place of something that is no file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ringfence.linux.pidfile import PidFile
from tests import needs


def test_it_appears_when_it_is_written_and_nothing_stays_beside_it(tmp_path: Path) -> None:
    file = PidFile(str(tmp_path / "pid"))
    assert not (tmp_path / "pid").exists()

    file.write(42)

    assert [path.name for path in tmp_path.iterdir()] == ["pid"]
    assert (tmp_path / "pid").read_text() == "42"


def test_nothing_stays_of_one_that_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text("7")

    PidFile(str(tmp_path / "pid")).forget()

    assert [path.read_text() for path in tmp_path.iterdir()] == ["7"]


def test_what_somebody_else_has_prepared_beside_it_is_left_alone(tmp_path: Path) -> None:
    """As in /tmp: whoever guesses the name that is written to first could have it lead anywhere."""
    (tmp_path / "other").write_text("precious")
    (tmp_path / f"pid.{os.getpid()}").symlink_to("other")

    PidFile(str(tmp_path / "pid")).write(42)

    assert ((tmp_path / "other").read_text(), (tmp_path / "pid").read_text()) == ("precious", "42")


def test_a_directory_and_a_missing_one_are_told_before_anything_is_started(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none" / "pid"):
        with pytest.raises(OSError) as error:
            PidFile(str(path))
        assert error.value.filename == str(path)


def test_a_device_is_written_to_and_stays_one(tmp_path: Path) -> None:
    needs.root()
    device = tmp_path / "null"
    os.mknod(device, stat.S_IFCHR | 0o600, os.makedev(1, 3))

    PidFile(str(device)).write(42)

    assert device.is_char_device()
    assert [path.name for path in tmp_path.iterdir()] == ["null"]


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)

    PidFile(str(tmp_path / "pipe")).write(17)

    assert os.read(reader, 10) == b"17" and (tmp_path / "pipe").is_fifo()
    os.close(reader)
