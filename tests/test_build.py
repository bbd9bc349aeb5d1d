"""What `pip install` makes: the helper by whatever C compiler there is, our own commands, and nothing stale."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import needs
from tests.cli.driver import eventually

PROJECT = Path(__file__).parent.parent


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what the build reads."""
    leave = shutil.ignore_patterns("__pycache__", "ringinit")
    for name in ("ringfence", "native"):
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


@pytest.fixture
def installed(tree: Path, tmp_path: Path) -> dict[str, Path]:
    """The files of an installation by their names."""
    done = build(tree, "install", "--root", str(tmp_path / "installed"), "--single-version-externally-managed",
                 "--record", str(tmp_path / "record"))  # fmt: skip
    assert done.returncode == 0, done.stderr
    shutil.rmtree(tree)
    return {path.name: path for path in (tmp_path / "installed").rglob("*") if path.is_file()}


def test_an_install_has_the_helper_the_data_and_the_modules(installed: dict[str, Path], tmp_path: Path) -> None:
    files = installed
    assert os.access(files["ringinit"], os.X_OK)
    assert {"ringfence", "ringrun", "seccomp.json", "py.typed"} <= set(files)
    program = "from ringfence import frozen; frozen.use(); import ringfence.oci as o; print(o.__loader__, o.__file__)"
    place = files["ringinit"].parent.parent
    done = subprocess.run([sys.executable, "-c", program], cwd=place, capture_output=True, text=True, check=True)
    assert "frozen.Finder" in done.stdout and done.stdout.endswith(f" {place}/ringfence/oci/__init__.py\n")
    modules = {str(path.relative_to(PROJECT)) for path in (PROJECT / "ringfence").rglob("*.py")}
    there = [str(path) for path in (tmp_path / "installed").rglob("*.py")]
    assert [module for module in modules if not any(path.endswith(module) for path in there)] == []


@pytest.mark.parametrize("words", ["ringfence --debug run --memory much host", "ringrun --debug kill none NOSIGNAL"])
def test_a_command_finds_the_package_it_was_installed_with(installed: dict[str, Path], words: str) -> None:
    """Whatever directory it is called from, and by whatever name."""
    command, *rest = words.split()
    link = installed[command].parent / "another-name"
    link.symlink_to(installed[command].name)
    for program in (installed[command], link):
        done = subprocess.run([program, *rest], cwd="/", capture_output=True, text=True)
        assert done.returncode != 0 and f'File "{installed["ringinit"].parent}/' in done.stderr


def test_a_command_does_not_heed_the_python_of_its_caller(installed: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "os.py").write_text("raise SystemExit('an evil module')")
    (tmp_path / "ringfence.py").write_text("raise SystemExit('an evil module')")
    environment = {"PYTHONPATH": str(tmp_path), "PYTHONHOME": "/no/such", "PYTHONSTARTUP": str(tmp_path / "os.py")}
    done = subprocess.run([installed["ringrun"], "--version"], cwd=tmp_path, env=environment, capture_output=True)
    assert done.returncode == 0 and done.stdout.startswith(b"ringrun version ")


def test_a_command_has_its_name_among_the_processes(installed: dict[str, Path], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.json")
    argv = [str(installed["ringrun"]), "--root", str(tmp_path / "root"), "create", "--bundle", str(tmp_path), "c1"]
    with subprocess.Popen(argv) as process:
        eventually(lambda: Path(f"/proc/{process.pid}/comm").read_text() == "ringrun\n", "its name")
        process.kill()


def test_a_command_takes_the_interpreter_beside_it_first(installed: dict[str, Path]) -> None:
    beside = installed["ringrun"].parent / f"python{sys.version_info.major}.{sys.version_info.minor}"
    beside.write_text('#!/bin/sh\necho "$@"\n')
    beside.chmod(0o755)
    done = subprocess.run([installed["ringrun"], "state", "c1"], capture_output=True, text=True)
    assert done.stdout.startswith("-I -S -c ") and done.stdout.endswith(" ringrun state c1\n")


def test_a_package_in_no_known_place_is_found_by_site(installed: dict[str, Path], tmp_path: Path) -> None:
    """Here it is that of the interpreter which built the command: the tree, installed to be edited."""
    moved = tmp_path / "moved/ringrun"
    moved.parent.mkdir()
    shutil.copy(installed["ringrun"], moved)
    done = subprocess.run([moved, "--version"], capture_output=True, text=True)
    assert done.stdout.startswith("ringrun version ")
