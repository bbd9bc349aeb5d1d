"""What `pip install` makes: the helper by whatever C compiler there is, our own scripts, and nothing stale."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import needs

PROJECT = Path(__file__).parent.parent


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what the build reads."""
    leave = shutil.ignore_patterns("__pycache__", "ringinit")
    for name in ("ringfence", "native", "bin"):
        shutil.copytree(PROJECT / name, tmp_path / "tree" / name, ignore=leave)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copy(PROJECT / name, tmp_path / "tree" / name)
    return tmp_path / "tree"


def build(tree: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-W", "ignore", "setup.py", "--quiet", *command]
    return subprocess.run(argv, cwd=tree, env={**os.environ, **environment}, capture_output=True, text=True)


@pytest.mark.parametrize("compiler", ["cc", "gcc", "musl-gcc", "clang", "tcc"])
def test_the_helper_compiles_with_this_compiler(tree: Path, compiler: str) -> None:
    if shutil.which(compiler) is None and compiler != "cc":
        pytest.skip(f"needs the program {compiler}")  # one compiler is promised, not each
    needs.program(compiler)
    done = build(tree, "build_native", CC=compiler)
    assert done.returncode == 0, done.stderr
    helper = tree / "ringfence/ringinit"
    # Without arguments it has no plan, and says so by its status; what matters is that it is executed at all.
    assert subprocess.run([helper], capture_output=True).returncode > 0


def test_the_helper_is_compiled_again_only_when_its_source_changes(tree: Path) -> None:
    helper = tree / "ringfence/ringinit"
    assert build(tree, "build_native").returncode == 0
    first = helper.stat()
    assert build(tree, "build_native").returncode == 0
    assert helper.stat().st_ino == first.st_ino
    os.utime(tree / "native/ringinit.c", ns=(first.st_mtime_ns + 1, first.st_mtime_ns + 1))
    assert build(tree, "build_native").returncode == 0
    assert helper.stat().st_ino != first.st_ino


def test_a_missing_compiler_is_one_clear_error_and_leaves_no_half_helper(tree: Path) -> None:
    done = build(tree, "build_native", CC="no-such-compiler")
    assert done.returncode != 0
    assert "no-such-compiler" in done.stderr
    assert list((tree / "ringfence").glob("ringinit*")) == []


def test_an_install_has_the_helper_the_data_and_our_scripts(tree: Path, tmp_path: Path) -> None:
    done = build(tree, "install", "--root", str(tmp_path / "installed"), "--single-version-externally-managed",
                 "--record", str(tmp_path / "record"))  # fmt: skip
    assert done.returncode == 0, done.stderr
    files = {path.name: path for path in (tmp_path / "installed").rglob("*") if path.is_file()}
    assert os.access(files["ringinit"], os.X_OK)
    assert {"ringfence", "ringrun", "seccomp.json", "py.typed"} <= set(files)
    for script in ("ringfence", "ringrun"):
        text = files[script].read_text()
        assert text.startswith("#!") and "import re" not in text
    program = "from ringfence import frozen; frozen.use(); import ringfence.oci as o; print(o.__loader__, o.__file__)"
    place = files["ringinit"].parent.parent
    done = subprocess.run([sys.executable, "-c", program], cwd=place, capture_output=True, text=True, check=True)
    assert "frozen.Finder" in done.stdout and done.stdout.endswith(f" {place}/ringfence/oci/__init__.py\n")
    modules = {str(path.relative_to(PROJECT)) for path in (PROJECT / "ringfence").rglob("*.py")}
    installed = [str(path) for path in (tmp_path / "installed").rglob("*.py")]
    assert [module for module in modules if not any(path.endswith(module) for path in installed)] == []
