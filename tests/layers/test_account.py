"""What layers add, shadow and waste, as it is read off their archives."""

from __future__ import annotations

import io
import os
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.errors import Corrupt
from ringfence.layers.account import Account, Stack
from ringfence.layers.apply import apply
from tests import needs
from tests.layers.archives import Archive


def add(stack: Stack, layer: Archive) -> Account:
    return stack.add(layer.stream())


def told(account: Account) -> dict[str, int]:
    return {name: getattr(account, name) for name in Account.__slots__ if getattr(account, name)}


def test_a_file_that_a_later_layer_has_anew_or_deletes_is_wasted() -> None:
    stack = Stack()
    base = add(stack, Archive().directory("d").file("d/a", b"aaa").file("d/b", b"bb").file("c", b"c"))
    change = add(stack, Archive().file("d/a", b"AAAA").file("d/.wh.b").file("n", b"n"))
    assert told(base) == {"added": 3, "size": 6, "wasted": 5}
    assert told(change) == {"added": 1, "changed": 1, "removed": 1, "shadows": 5, "size": 5}
    assert sorted(stack.wasted) == [(2, "/d/b", 1), (3, "/d/a", 1)]
    assert (stack.size, stack.wasted_size) == (11, 5)


def test_an_opaque_directory_hides_what_lower_layers_have_in_it_wherever_the_mark_stands() -> None:
    stack = Stack()
    add(stack, Archive().file("d/a", b"aaa").file("d/e/b", b"bb").file("x", b"x"))
    top = add(stack, Archive().file("d/new", b"1").file("d/.wh..wh..opq"))
    assert told(top) == {"added": 1, "removed": 2, "shadows": 5, "size": 1}


def test_a_file_with_several_names_is_hidden_with_the_last_of_them() -> None:
    stack = Stack()
    base = add(stack, Archive().file("a", b"aaaa").link("b", "a"))
    add(stack, Archive().file(".wh.a"))
    assert told(base) == {"added": 2, "size": 4}
    add(stack, Archive().file(".wh.b"))
    assert told(base) == {"added": 2, "size": 4, "wasted": 4}


def test_directories_are_links_or_files_to_later_layers_as_the_tree_has_them() -> None:
    stack = Stack()
    base = add(stack, Archive().directory("usr/lib").symlink("lib", "usr/lib").file("usr/lib/a", b"aa"))
    add(stack, Archive().file("lib/a", b"new"))
    assert base.wasted == 2
    add(stack, Archive().file("usr", b"a file now"))
    assert stack.wasted_size == 5


def test_a_malformed_layer_is_refused() -> None:
    with pytest.raises(Corrupt):
        Stack().add(io.BytesIO(b"\xff" * 512))


_NAMES = st.sampled_from(["a", "b", "d/a", "d/b", "d/e/a", "f/a"])
_ENTRIES = st.one_of(
    st.tuples(st.just("file"), _NAMES, st.integers(0, 9)),
    st.tuples(st.just("directory"), st.sampled_from(["d", "d/e", "f", "a"]), st.just(0)),
    st.tuples(st.just("hide"), st.sampled_from([".wh.a", ".wh.d", "d/.wh.a", "d/.wh.e", "d/.wh..wh..opq"]), st.just(0)),
    st.tuples(st.just("link"), _NAMES, st.sampled_from(["a", "d/a", "d/e/a"])),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(_ENTRIES, min_size=1, max_size=6), min_size=1, max_size=4))
def test_what_is_not_wasted_is_what_the_tree_has(layers: list[list[tuple[str, str, int | str]]]) -> None:
    # Invariant: the sizes of all layers less what is wasted are the bytes of the files that the applied layers leave.
    needs.root()
    stack = Stack()
    with tempfile.TemporaryDirectory() as root:
        for entries in layers:
            archive = Archive()
            for kind, name, detail in entries:
                if kind == "link":
                    archive.link(name, str(detail))
                elif kind == "directory":
                    archive.directory(name)
                else:
                    archive.file(name, b"x" * int(detail))
            data = archive.bytes()
            try:
                apply(io.BytesIO(data), root, "remove")
            except Corrupt:
                return  # an impossible layer, which no image has
            stack.add(io.BytesIO(data))
        files = {status.st_ino: status.st_size for status in _files(root)}
        assert stack.size - stack.wasted_size == sum(files.values())


def _files(root: str) -> list[os.stat_result]:
    return [os.lstat(os.path.join(path, name)) for path, _, names in os.walk(root) for name in names]
