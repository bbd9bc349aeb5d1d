"""ELF headers: what programs need, agreeing with the dynamic linker itself; any bytes are read or refused."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.errors import Corrupt, NotFound
from ringfence.images.elf import Linker, open_elf, parse_cache, read, read_cache
from tests import needs


def _ldd(program: str) -> set[str]:
    """The files that the dynamic linker loads."""
    output = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    words = [line.split(" => ")[-1].split()[0] for line in output.splitlines()]
    return {os.path.realpath(word) for word in words if word.startswith("/")}


@pytest.mark.parametrize("name", ["sh", "ls", "ip", "curl", "python3"])
def test_the_libraries_are_those_that_the_linker_loads(name: str) -> None:
    needs.program(name, "ldd")
    program = os.path.realpath(next(path for d in ("/usr/bin", "/bin") if os.path.exists(path := f"{d}/{name}")))

    found = {os.path.realpath(path) for path in Linker().closure([program])} - {program}

    assert found == _ldd(program)


def test_a_program_names_its_interpreter_and_a_script_is_no_program(tmp_path: Path) -> None:
    elf = open_elf(os.path.realpath("/bin/ls"))
    (tmp_path / "script").write_text("#!/bin/sh\n")

    assert elf is not None
    assert os.path.basename(elf.interpreter).startswith("ld-")
    assert any(name.startswith("libc.") for name in elf.needed)
    assert open_elf(str(tmp_path / "script")) is None
    assert Linker().closure([str(tmp_path / "script")]) == {str(tmp_path / "script"): []}


@pytest.fixture
def compiled(tmp_path: Path) -> Path:
    """A program that needs liba, which needs libb, in directories that only their headers name."""
    needs.program("cc")
    (tmp_path / "lib/deep").mkdir(parents=True)
    (tmp_path / "b.c").write_text("int b(void) { return 1; }")
    (tmp_path / "a.c").write_text("int b(void); int a(void) { return b(); }")
    (tmp_path / "p.c").write_text("int a(void); int main(void) { return a(); }")
    return tmp_path


def _compile(directory: Path, tags: str) -> str:
    def cc(*arguments: str) -> None:
        subprocess.run(["cc", *arguments, f"-Wl,{tags}"], cwd=directory, check=True, capture_output=True)

    cc("-shared", "-fPIC", "-o", "lib/deep/libb.so", "b.c")
    own = [] if tags == "--disable-new-dtags" else ["-Wl,-rpath,$ORIGIN/deep"]
    cc("-shared", "-fPIC", "-o", "lib/liba.so", "a.c", "-Llib/deep", "-lb", *own)
    deep = [] if own else ["-Wl,-rpath,$ORIGIN/lib/deep"]
    cc("-o", "program", "p.c", "-Llib", "-la", "-Wl,-rpath,${ORIGIN}/lib", "-Wl,-rpath-link,lib/deep", *deep)
    return str(directory / "program")


@pytest.mark.parametrize("tags", ["--enable-new-dtags", "--disable-new-dtags"])
def test_rpath_also_counts_for_libraries_of_libraries_and_runpath_does_not(compiled: Path, tags: str) -> None:
    program = _compile(compiled, tags)
    subprocess.run([program], check=False)  # it runs at all

    found = {os.path.realpath(path) for path in Linker().closure([program])}

    assert {str(compiled / "lib/liba.so"), str(compiled / "lib/deep/libb.so")} <= found
    assert found - {program} == _ldd(program)


def test_a_missing_library_is_named_with_who_needs_it(compiled: Path) -> None:
    program = _compile(compiled, "--enable-new-dtags")
    os.unlink(compiled / "lib/deep/libb.so")

    with pytest.raises(NotFound, match=rf"no library libb\.so, which .*liba\.so needs for {program}"):
        Linker().closure([program])


def test_a_library_of_another_machine_is_passed_over(compiled: Path) -> None:
    program = _compile(compiled, "--enable-new-dtags")
    library = bytearray((compiled / "lib/liba.so").read_bytes())
    library[18] = 0xFF  # e_machine
    (compiled / "lib/liba.so").write_bytes(library)

    with pytest.raises(NotFound, match=r"no library liba\.so"):
        Linker().closure([program])


def test_the_linkers_cache_is_read_as_ldconfig_prints_it() -> None:
    needs.file("/etc/ld.so.cache")
    ldconfig = shutil.which("ldconfig") or "/sbin/ldconfig"
    printed = subprocess.run([ldconfig, "-p"], check=True, capture_output=True, text=True).stdout
    lines = [line.split() for line in printed.splitlines() if " => " in line and "hwcap" not in line]

    cache = read_cache("/etc/ld.so.cache")

    assert {(words[0], words[-1]) for words in lines} == {(name, path) for name in cache for path in cache[name]}
    assert read_cache("/nonexistent") == {}


_PROGRAM = Path("/bin/true").read_bytes()


@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=8), st.integers(0, len(_PROGRAM)))
def test_any_bytes_are_an_elf_file_or_not_or_corrupt(changes: list[tuple[int, int]], length: int) -> None:
    # Invariant: reading ends in headers, in None for what is no ELF file, or in Corrupt, and in nothing else.
    data = bytearray(_PROGRAM)
    for place, value in changes:
        data[place] = value
    try:
        elf = read(io.BytesIO(data[:length]))
    except Corrupt as error:
        assert str(error).startswith("ELF file: ")
        return
    assert (elf is None) == (data[:length][:4] != b"\x7fELF")
    assert elf is None or all("\0" not in name for name in [elf.interpreter, *elf.needed, *elf.rpath, *elf.runpath])


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_a_cache_or_corrupt(data: bytes, magic: bool) -> None:
    # Invariant: parsing ends in a table of absolute or relative paths, or in Corrupt, and in nothing else.
    try:
        cache = parse_cache(b"glibc-ld.so.cache1.1" * magic + data)
    except Corrupt:
        return
    assert all(isinstance(path, str) for paths in cache.values() for path in paths)
