"""The package's modules, compiled, in one file: a command that imports a hundred of them finds each at once.

Python's own way looks for every module on its path and in __pycache__, one after the other. The file is made by
`ringfence.freeze`, at `pip install` and by `make`. It helps and decides nothing: a module whose source is not as it was
when the file was made is imported from the source, and without the file everything is.

Its layout: Python's magic number, which changes with the bytecode; in 8 bytes each, the lengths of the index and of the
whole; the index, a line for each module; the pieces. A line has the module's name, where behind the index its piece is,
and how long. The index stays text, as a dict of it would take 0.4 MB and a third of a millisecond. A piece is a
marshalled list with the name and the `Entry` of a module, or of several that are used together: read as one they take
half the time, as they have many names in common.
"""

import _thread
import marshal
import os
import sys
from _frozen_importlib import ModuleSpec, module_from_spec  # without the 1 ms of `importlib.machinery`
from _frozen_importlib_external import MAGIC_NUMBER as MAGIC_NUMBER
from _imp import _fix_co_filename  # type: ignore[attr-defined]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, ModuleType

    Entry = tuple[bool, int, int, tuple[str, ...], CodeType]
    """Whether it is a package; time (ns) and size of its source; the modules that it begins by importing; its code.

    A time of 0 is of a file made for an installation, whose sources come to be at about the same moment as the file.
    """

PACKAGE = os.path.dirname(os.path.abspath(__file__))
PATH = f"{PACKAGE}/modules.{sys.implementation.cache_tag}.frozen"
HEAD = len(MAGIC_NUMBER) + 16
_INSTALLING = 2_000_000_000
"""For so long (ns) after the file a source may be written that belongs to the same installation."""


def use() -> None:
    """Let what is imported from now on come from the file, if there is one, whole and of this Python."""
    try:
        with open(PATH, "rb", buffering=0) as file:
            head = file.read(HEAD)
            length, whole = int.from_bytes(head[-16:-8], "little"), int.from_bytes(head[-8:], "little")
            status = os.fstat(file.fileno())
            if not head.startswith(MAGIC_NUMBER) or status.st_size != whole:
                return
            index = file.read(length)
    except FileNotFoundError:
        return
    sys.meta_path.insert(0, Finder(index, HEAD + length, status.st_mtime_ns + _INSTALLING))


class Finder:
    """Finder and loader of the frozen modules (PEP 451).

    `pieces` is where these begin in the file, `newest` the latest time of a source of an installation.
    """

    __slots__ = ("_entries", "_index", "_newest", "_pieces")

    def __init__(self, index: bytes, pieces: int, newest: int) -> None:
        self._index = index
        self._pieces = pieces
        self._newest = newest
        self._entries: dict[str, Entry] = {}  # of the pieces that were read, what is not imported yet

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """None for what is not here, or is not as its source any more: the next finder has it."""
        entry = self._entry(name)
        if entry is None:
            return None
        package, time, size, _, _ = entry
        origin = source(name, package)
        try:
            status = os.stat(origin)
        except FileNotFoundError:
            return None
        if status.st_size != size or (status.st_mtime_ns != time if time else status.st_mtime_ns > self._newest):
            return None
        spec = ModuleSpec(name, self, origin=origin, is_package=package)  # type: ignore[arg-type]  # no abstract class's
        spec.has_location = True
        if package:
            spec.submodule_search_locations = [os.path.dirname(origin)]
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """As Python makes them."""

    def exec_module(self, module: "ModuleType") -> None:
        """Where there is no other thread, which could see one half made, what it begins by importing is loaded first.

        That way it needs no locks, and not to be looked for by every finder: half of what an import costs.
        """
        package, _, _, imports, code = self._entries.pop(module.__name__)
        if not _thread._count():
            for name in imports:
                if name not in sys.modules:
                    self._load(name)
        _fix_co_filename(code, source(module.__name__, package))  # an installation was compiled elsewhere
        exec(code, module.__dict__)

    def _load(self, name: str) -> None:
        """Import a module whose parent is imported; nothing is done if that is to be done from its source."""
        spec = self.find_spec(name)
        if spec is None:
            return
        sys.modules[name] = module = module_from_spec(spec)
        try:
            self.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        parent, _, last = name.rpartition(".")
        setattr(sys.modules[parent], last, module)

    def _entry(self, name: str) -> "Entry | None":
        if name not in self._entries:
            begin = self._index.find(b"\n%s " % name.encode())
            if begin < 0:
                return None
            _, position, length = self._index[begin : self._index.index(b"\n", begin + 1)].split()
            file = os.open(PATH, os.O_RDONLY | os.O_CLOEXEC)  # kept open it would have a number of `--preserve-fds`
            try:
                piece = marshal.loads(os.pread(file, int(length), self._pieces + int(position)))
            finally:
                os.close(file)
            self._entries.update(piece)
        return self._entries[name]


def source(name: str, package: bool) -> str:
    """The path of a module's source; `name` begins with that of this package."""
    path = f"{PACKAGE}/{name.partition('.')[2].replace('.', '/')}"
    return f"{path}/__init__.py" if package else f"{path}.py"
