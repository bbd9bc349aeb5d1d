"""The package's modules, compiled, in one file: a command that imports sixty of them finds each at once.

Python's own way looks for every module on its path and in __pycache__. The file is made by `ringfence.freeze`, at
`pip install` and by `make`. It helps and decides nothing: a module whose source is not as it was when the file was made
is imported from the source, and without the file everything is.

Its layout: Python's magic number, which changes with the bytecode; in 8 bytes each, the lengths of the index and of the
whole; the index, a line for each module; the code objects, each marshalled. A line has the module's name, where
behind the index its code is and how long, whether it is a package (1 or 0), and time (ns) and size of its source. A
time of 0 is of a file made for an installation, whose sources come to be at about the same moment as the file. The
index stays text, as a dict of it would take 0.4 MB and a third of a millisecond.
"""

import marshal
import os
import sys
from _frozen_importlib import ModuleSpec  # without the 1 ms of `importlib.machinery`
from _frozen_importlib_external import MAGIC_NUMBER as MAGIC_NUMBER
from _imp import _fix_co_filename  # type: ignore[attr-defined]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, ModuleType

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

    `codes` is where the code begins in the file, `newest` the latest time of a source of an installation.
    """

    __slots__ = ("_codes", "_index", "_newest")

    def __init__(self, index: bytes, codes: int, newest: int) -> None:
        self._index = index
        self._codes = codes
        self._newest = newest

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """None for what is not here, or is not as its source any more: the next finder has it."""
        entry = self._entry(name)
        if not entry:
            return None
        _, _, package, time, size = entry
        origin = source(name, package)
        try:
            status = os.stat(origin)
        except FileNotFoundError:
            return None
        if status.st_size != size or (status.st_mtime_ns != time if time else status.st_mtime_ns > self._newest):
            return None
        spec = ModuleSpec(name, self, origin=origin, is_package=bool(package))  # type: ignore[arg-type]  # no abstract class's
        spec.has_location = True
        if package:
            spec.submodule_search_locations = [os.path.dirname(origin)]
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """As Python makes them."""

    def exec_module(self, module: "ModuleType") -> None:
        exec(self.get_code(module.__name__), module.__dict__)

    def get_code(self, name: str) -> "CodeType":
        """For `python -m`, too."""
        position, length, package, *_ = self._entry(name)
        file = os.open(PATH, os.O_RDONLY | os.O_CLOEXEC)  # kept open it would have a number that `--preserve-fds` names
        try:
            code: CodeType = marshal.loads(os.pread(file, length, self._codes + position))
        finally:
            os.close(file)
        _fix_co_filename(code, source(name, package))  # an installation was compiled elsewhere
        return code

    def _entry(self, name: str) -> list[int]:
        """The numbers of a module's line; none if it has no line."""
        begin = self._index.find(b"\n%s " % name.encode())
        if begin < 0:
            return []
        return [int(field) for field in self._index[begin : self._index.index(b"\n", begin + 1)].split()[1:]]


def source(name: str, package: int) -> str:
    """The path of a module's source; `name` begins with that of this package."""
    path = f"{PACKAGE}/{name.partition('.')[2].replace('.', '/')}"
    return f"{path}/__init__.py" if package else f"{path}.py"
