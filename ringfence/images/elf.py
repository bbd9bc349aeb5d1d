"""ELF files: which interpreter and which libraries a program needs, and where ld.so(8) would find them.

Only headers are read, of files that need not be trusted: a malformed one raises Corrupt. Sources: elf(5), ld.so(8);
glibc's sysdeps/generic/dl-cache.h for /etc/ld.so.cache.
"""

from __future__ import annotations

import os
import struct

from ringfence.errors import Corrupt, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB, _DT_STRSZ, _DT_RPATH, _DT_RUNPATH = 1, 5, 10, 15, 29
_LARGEST_TABLE = 16 << 20
_STANDARD = ("/lib", "/usr/lib", "/lib64", "/usr/lib64")
"""ld.so's own directories; those of a multiarch system come from its cache, or else are guessed from these."""
_CACHE_MAGIC = b"glibc-ld.so.cache1.1"
_CACHE_HEADER = struct.Struct("20s II B 3x I 12x")
_CACHE_ENTRY = struct.Struct("i II I Q")  # flags, key, value (offsets of strings), OS version, hardware capabilities


class Elf:
    """What an ELF file asks of the dynamic linker; lists are empty and strings "" where it asks nothing.

    `kind` is what must be equal for two files to be linked: class (32 or 64), byte order and machine.
    """

    __slots__ = ("interpreter", "kind", "needed", "rpath", "runpath")

    def __init__(
        self, kind: tuple[int, str, int], interpreter: str, needed: list[str], rpath: list[str], runpath: list[str]
    ) -> None:
        self.kind = kind
        self.interpreter = interpreter
        self.needed = needed
        self.rpath = rpath
        self.runpath = runpath


def read(file: BinaryIO) -> Elf | None:
    """The headers of an open file; None if it is no ELF file. Raises Corrupt for a malformed one."""
    ident = file.read(16)
    if ident[:4] != b"\x7fELF":
        return None
    try:
        return _read(file, ident)
    except (struct.error, OverflowError, ValueError) as error:
        raise Corrupt(f"ELF file: {error}") from None


def _read(file: BinaryIO, ident: bytes) -> Elf:
    order = {1: "<", 2: ">"}.get(ident[5])
    if order is None or ident[4] not in (1, 2):
        raise ValueError("its class or byte order is not known")
    wide = ident[4] == 2
    header = struct.unpack(f"{order}HHI{'QQQ' if wide else 'III'}IHHH", file.read(42 if wide else 30))
    segments = _segments(file, order, wide, header[4], header[8], header[9])
    interpreter = ""
    dynamic: list[tuple[int, int]] = []
    for type, offset, _, size in segments:
        if type == _PT_INTERP:
            interpreter = _text(_at(file, offset, min(size, os.pathconf("/", "PC_PATH_MAX"))), 0)
        elif type == _PT_DYNAMIC:
            entry = struct.Struct(f"{order}{'qQ' if wide else 'iI'}")
            table = _at(file, offset, size - size % entry.size)
            dynamic = list(entry.iter_unpack(table))
    tags = dict(reversed(dynamic))
    strings = b""
    if _DT_STRTAB in tags:
        strings = _at(file, _offset(segments, tags[_DT_STRTAB]), tags.get(_DT_STRSZ, 0))
    return Elf(
        (64 if wide else 32, order, header[1]),
        interpreter,
        [_text(strings, value) for tag, value in dynamic if tag == _DT_NEEDED],
        *([path for path in _text(strings, tags[tag]).split(":") if path] if tag in tags else []
          for tag in (_DT_RPATH, _DT_RUNPATH)),
    )  # fmt: skip


def _segments(
    file: BinaryIO, order: str, wide: bool, start: int, size: int, count: int
) -> list[tuple[int, int, int, int]]:
    """(type, offset, address, size in the file) of each program header."""
    layout = struct.Struct(f"{order}{'IIQQQQQQ' if wide else 'IIIIIIII'}")
    if count and size < layout.size:
        raise ValueError("its program headers are too short")
    table = _at(file, start, size * count)
    segments = []
    for at in range(0, size * count, size or 1):
        fields = layout.unpack_from(table, at)
        type, offset, address, length = (
            (fields[0], fields[2], fields[3], fields[5]) if wide else (*fields[:3], fields[4])
        )
        segments.append((type, offset, address, length))
    return segments


def _at(file: BinaryIO, offset: int, size: int) -> bytes:
    if size > _LARGEST_TABLE:
        raise ValueError(f"a table of {size} bytes")
    file.seek(offset)
    data = file.read(size)
    if len(data) < size:
        raise ValueError("it ends before its tables")
    return data


def _offset(segments: list[tuple[int, int, int, int]], address: int) -> int:
    for type, offset, start, size in segments:
        if type == _PT_LOAD and start <= address < start + size:
            return offset + address - start
    raise ValueError("its string table is in no segment")


def _text(strings: bytes, at: int) -> str:
    end = strings.find(b"\0", at)
    if end < 0:
        raise ValueError("a string does not end")
    return os.fsdecode(strings[at:end])


def open_elf(path: str) -> Elf | None:
    """`read` the file at `path`; errors name it."""
    with open(path, "rb") as file:
        try:
            return read(file)
        except Corrupt as error:
            raise Corrupt(f"{path}: {error.what}") from None


class Linker:
    """Finds libraries as this machine's dynamic linker does, its environment variables left aside."""

    def __init__(self, cache: str = "/etc/ld.so.cache") -> None:
        self._cache = read_cache(cache)
        self._elves: dict[str, Elf | None] = {}

    def closure(self, paths: Iterable[str]) -> dict[str, list[str]]:
        """For each of the files (programs or libraries) and all that they need: the paths of what it needs itself.

        Interpreters count as needed. Files that are not ELF need nothing. Raises NotFound for a missing library.
        """
        found: dict[str, list[str]] = {}
        pending = [(path, "", list[str]()) for path in paths]
        while pending:
            path, program, rpath = pending.pop()
            if path in found:
                continue
            elf = self._elf(path)
            found[path] = []
            if elf is None:
                continue
            # RPATH, unlike RUNPATH, also counts for what the needed libraries need
            rpath = rpath + self._expand(elf.rpath, path) if not elf.runpath else rpath
            found[path] = [elf.interpreter] if elf.interpreter else []
            found[path] += [self._find(name, path, program or path, elf, rpath) for name in elf.needed]
            pending += [(needed, program or path, rpath) for needed in found[path]]
        return found

    def find(self, name: str, like: str) -> str:
        """The library `name`, as a file of the kind of `like` would get it; "" if there is none."""
        elf = self._elf(like)
        return self._search(name, elf, self._directories(name)) if elf else ""

    def _find(self, name: str, path: str, program: str, elf: Elf, rpath: list[str]) -> str:
        if "/" in name:
            return name
        own = self._expand(elf.runpath, path) if elf.runpath else rpath
        found = self._search(name, elf, own + self._directories(name))
        if not found:
            raise NotFound(f"no library {name}, which {path} needs" + (f" for {program}" if program != path else ""))
        return found

    def _directories(self, name: str) -> list[str]:
        return [os.path.dirname(path) for path in self._cache.get(name, ())] + list(_STANDARD)

    def _search(self, name: str, elf: Elf, directories: list[str]) -> str:
        for directory in directories:
            path = f"{directory}/{name}"
            if os.path.isfile(path):
                candidate = self._elf(path)
                if candidate is not None and candidate.kind == elf.kind:
                    return path
        return ""

    def _expand(self, directories: list[str], path: str) -> list[str]:
        origin = os.path.dirname(os.path.realpath(path))
        return [directory.replace("${ORIGIN}", origin).replace("$ORIGIN", origin) for directory in directories]

    def _elf(self, path: str) -> Elf | None:
        if path not in self._elves:
            self._elves[path] = open_elf(path)
        return self._elves[path]


def read_cache(path: str) -> dict[str, list[str]]:
    """ld.so.cache: the paths of each library name, without those for special processors; empty if there is none."""
    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST_TABLE)
    except FileNotFoundError:
        return {}
    return parse_cache(data)


def parse_cache(data: bytes) -> dict[str, list[str]]:
    """The same of a cache's bytes; Corrupt if they are none. An old part may come first, in older glibc's format."""
    start = data.find(_CACHE_MAGIC)
    if start < 0:
        raise Corrupt("ld.so.cache: is of no known format")
    paths: dict[str, list[str]] = {}
    try:
        count = _CACHE_HEADER.unpack_from(data, start)[1]
        for number in range(count):
            at = start + _CACHE_HEADER.size + number * _CACHE_ENTRY.size
            _, key, value, _, capabilities = _CACHE_ENTRY.unpack_from(data, at)
            if not capabilities:
                paths.setdefault(_text(data, start + key), []).append(_text(data, start + value))
    except (struct.error, ValueError) as error:
        raise Corrupt(f"ld.so.cache: {error}") from None
    return paths
