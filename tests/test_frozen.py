"""The file of compiled modules helps and decides nothing: what is not as the source is, is imported from the source."""

from __future__ import annotations

import marshal
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ringfence import freeze, frozen

PROJECT = Path(__file__).parent.parent
PROGRAM = """
import sys
from ringfence import frozen
frozen.use()
import ringfence.oci.digest as module
print(type(module.__loader__).__name__, module.__file__, getattr(module, "MARK", ""))
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package of our name with a few of our modules, frozen."""
    package = tmp_path / "ringfence"
    for name in ("__init__.py", "errors.py", "frozen.py", "freeze.py", "oci"):
        origin = PROJECT / "ringfence" / name
        if origin.is_dir():
            shutil.copytree(origin, package / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            package.mkdir(exist_ok=True)
            shutil.copy(origin, package)
    subprocess.run([sys.executable, "-m", "ringfence.freeze"], cwd=tmp_path, check=True)
    return package


def imported(package: Path) -> list[str]:
    """The loader of ringfence.oci.digest, its file, and what it says of itself."""
    argv = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(argv, cwd=package.parent, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


def path_of(package: Path) -> Path:
    return package / Path(frozen.PATH).name


def test_modules_come_from_the_file(package: Path) -> None:
    assert imported(package) == ["Finder", str(package / "oci/digest.py")]


def test_a_source_that_was_edited_is_what_counts(package: Path) -> None:
    with (package / "oci/digest.py").open("a") as source:
        source.write("MARK = 'edited'\n")
    assert imported(package) == ["SourceFileLoader", str(package / "oci/digest.py"), "edited"]


def test_an_edit_that_changes_no_size_is_seen_by_the_time(package: Path) -> None:
    source = package / "oci/digest.py"
    source.write_text(source.read_text().replace("from", "from"))
    assert imported(package)[0] == "SourceFileLoader"


def test_a_module_that_was_removed_is_gone(package: Path) -> None:
    (package / "oci/digest.py").unlink()
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=package.parent, capture_output=True, text=True)
    assert "ModuleNotFoundError: No module named 'ringfence.oci.digest'" in done.stderr


@pytest.mark.parametrize("content", [b"", b"another", frozen.MAGIC_NUMBER, frozen.MAGIC_NUMBER + bytes(16)])
def test_a_file_that_is_not_whole_or_not_of_this_python_is_left_alone(package: Path, content: bytes) -> None:
    path_of(package).write_bytes(content)
    assert imported(package)[0] == "SourceFileLoader"


def test_a_file_whose_end_is_missing_is_left_alone(package: Path) -> None:
    path = path_of(package)
    os.truncate(path, path.stat().st_size - 1)
    assert imported(package)[0] == "SourceFileLoader"


def test_without_the_file_all_is_as_ever(package: Path) -> None:
    path_of(package).unlink()
    assert imported(package)[0] == "SourceFileLoader"


def test_what_is_installed_along_with_its_sources_is_used_until_one_is_edited(package: Path) -> None:
    """Copies have other times than what was frozen, and another place."""
    freeze.freeze(package, path_of(package), installation=True)
    there = package.parent / "elsewhere/ringfence"
    shutil.copytree(package, there, copy_function=shutil.copyfile)
    assert imported(there) == ["Finder", str(there / "oci/digest.py")]
    later = time.time() + 60
    os.utime(there / "oci/digest.py", (later, later))
    assert imported(there)[0] == "SourceFileLoader"


def test_an_error_shows_the_source_where_it_is_now(package: Path) -> None:
    program = PROGRAM + "\nmodule.hasher('no such')"
    freeze.freeze(package, path_of(package), installation=True)
    there = package.parent / "elsewhere/ringfence"
    shutil.copytree(package, there, copy_function=shutil.copyfile)
    done = subprocess.run([sys.executable, "-c", program], cwd=there.parent, capture_output=True, text=True)
    assert f'File "{there}/oci/digest.py", line ' in done.stderr


def test_every_module_but_those_that_come_before_is_frozen(tmp_path: Path) -> None:
    target = tmp_path / "all.frozen"
    freeze.freeze(PROJECT / "ringfence", target)
    content = target.read_bytes()
    length = int.from_bytes(content[len(frozen.MAGIC_NUMBER) :][:8], "little")
    found = set[Path]()
    for line in content[frozen.HEAD :][:length].decode().split("\n")[1:-1]:
        name, position, size = line.split()
        piece = dict(marshal.loads(content[frozen.HEAD + length + int(position) :][: int(size)]))
        found.add(Path(frozen.source(name, piece[name][0])))
    before = {PROJECT / "ringfence" / name for name in ("__init__.py", "command.py", "frozen.py")}
    assert found == set((PROJECT / "ringfence").rglob("*.py")) - before


def test_what_is_used_together_is_one_piece_and_nothing_is_in_two() -> None:
    imports = dict.fromkeys(("a", "b", "c", "d", "e"), ()) | {"a": ("c",), "b": ("c", "d"), "c": ("b",)}
    assert freeze.together(imports, (("a",), ("d", "missing"))) == [["a", "c", "b", "d"], [], ["e"]]


IMPORTS = '''
"""Module."""
import os
import one.two
from one.three import four, name
if os.name:
    import five
import six
'''


def test_only_what_a_module_imports_before_it_does_anything_is_loaded_before_it(tmp_path: Path) -> None:
    path = tmp_path / "one.py"
    path.write_text(IMPORTS)
    modules = ["six", "five", "one", "one.two", "one.three", "one.three.four", "one.three.five"]
    assert freeze.imports(path, modules) == ("one", "one.two", "one.three", "one.three.four")


THREADED = """
import sys, threading
sys.path.insert(0, sys.argv[1])
from ringfence import frozen
frozen.use()
names = ["ringfence.oci.digest", "ringfence.errors", "ringfence.oci"]
threads = [threading.Thread(target=__import__, args=(name,)) for name in names * 4]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(all(hasattr(sys.modules[name], "__file__") for name in names), type(sys.modules[names[0]].__loader__).__name__)
"""


def test_modules_are_imported_by_threads_as_well(package: Path) -> None:
    done = subprocess.run([sys.executable, "-c", THREADED, package.parent], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("True Finder\n", "")


def test_a_module_that_fails_while_another_imports_it_is_not_left_half_made(package: Path) -> None:
    broken = package / "errors.py"
    broken.write_text(broken.read_text() + "raise OSError('broken')\n")
    subprocess.run([sys.executable, "-m", "ringfence.freeze"], cwd=package.parent, check=True)
    program = """
import sys
from ringfence import frozen
frozen.use()
try:
    import ringfence.oci.digest
except OSError as error:
    print(error, [name for name in sys.modules if name in ("ringfence.errors", "ringfence.oci.digest")])
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=package.parent, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("broken []\n", "")


DOCUMENTED = '''
"""Module."""
class A:
    """Class."""
    b: int = 1
    def c(self, d: "no such" = 2, /, *e: int, f: str = "f", **g: int) -> "nothing":
        """Function."""
        return (d, e, f, g)
class B:
    """Empty."""
def h() -> None:
    """Empty."""
text = """No docstring."""
'''


def test_only_docstrings_and_annotations_of_functions_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "one.py"
    path.write_text(DOCUMENTED)
    names: dict[str, Any] = {}
    exec(freeze.compiled(path), names)
    kept = names["A"]
    assert kept.__annotations__ == {"b": int} and kept.c.__annotations__ == {}
    assert names.get("__doc__") is kept.__doc__ is kept.c.__doc__ is names["B"].__doc__ is None
    assert kept().c(1, f=2) == (1, (), 2, {}) and names["h"]() is None and names["text"] == "No docstring."


def test_assertions_are_kept_and_lines_are_where_they_were(tmp_path: Path) -> None:
    path = tmp_path / "one.py"
    path.write_text('"""Module."""\n\nassert False\n')
    with pytest.raises(AssertionError) as caught:
        exec(freeze.compiled(path), {})
    assert caught.traceback[-1].lineno + 1 == 3
