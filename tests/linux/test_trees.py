"""Removing trees: deep ones, ones with links, and ones that vanish meanwhile."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

from ringfence.linux.trees import remove_tree, unless_gone


def _deepen(path: Path, depth: int) -> None:
    """A chain of directories with long names, far longer than PATH_MAX."""
    fd = os.open(path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d" * 200, dir_fd=fd)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)


def test_a_tree_deeper_than_path_max_is_removed_with_few_descriptors(tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "a/b").mkdir(parents=True)
    (top / "a/file").write_text("")
    _deepen(top, 500)
    before = os.listdir("/proc/self/fd")

    remove_tree(top)

    assert not top.exists()
    assert os.listdir("/proc/self/fd") == before


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("stays")
    (tmp_path / "top").mkdir()
    (tmp_path / "top/link").symlink_to(tmp_path / "outside")

    remove_tree("top", dir_fd=(fd := os.open(tmp_path, os.O_RDONLY)))
    os.close(fd)

    assert os.listdir(tmp_path) == ["outside"]
    assert (tmp_path / "outside/file").read_text() == "stays"


def test_directories_that_may_not_be_read_are_removed(tmp_path: Path) -> None:
    (tmp_path / "top/closed/below").mkdir(parents=True)
    (tmp_path / "top/closed").chmod(0)

    remove_tree(tmp_path / "top")

    assert os.listdir(tmp_path) == []


def test_two_removals_of_one_tree_do_not_disturb_each_other(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / f"top/{number}/x").mkdir(parents=True)
    errors: list[BaseException] = []

    def remove() -> None:
        try:
            remove_tree(tmp_path / "top")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=remove) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert os.listdir(tmp_path) == []


def test_what_is_put_into_it_meanwhile_is_removed_too(tmp_path: Path) -> None:
    (tmp_path / "top").mkdir()
    for number in range(300):
        (tmp_path / f"top/{number}").mkdir()

    def fill() -> None:
        for number in range(300):
            with suppress(FileNotFoundError):
                (tmp_path / f"top/{number}/late").mkdir()

    thread = threading.Thread(target=fill)
    thread.start()
    remove_tree(tmp_path / "top")
    thread.join()

    assert os.listdir(tmp_path) == []


def test_what_is_not_there_is_fine_and_said(tmp_path: Path) -> None:
    remove_tree(tmp_path / "nothing")

    assert unless_gone(os.unlink, tmp_path / "nothing") is False
