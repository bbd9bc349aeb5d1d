"""Who may open whose door: packages import in one direction only, and the start path has no cycles."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
PACKAGE = PROJECT / "ringfence"

# Each room's doors, as ARCHITECTURE.md explains them. What a room may import is the closure of its line; `errors` is
# everybody's. A room that does not exist yet keeps its line: its first file is checked like all others.
DOORS: dict[str, set[str]] = {
    "errors": set(),
    "json": set(),
    "frozen": set(),
    "freeze": {"frozen"},
    "command": {"frozen", "runtime", "cli"},
    "linux": set(),
    "oci": set(),
    "commandline": set(),
    "runtime": {"linux", "oci", "commandline"},
    "content": {"oci"},
    "registry": {"oci", "content"},
    "layers": {"linux", "oci"},
    "snapshots": {"linux"},
    "images": {"content", "registry", "layers", "snapshots"},
    "network": {"linux"},
    "engine": {"images", "network", "runtime"},
    "build": {"engine"},
    "pods": {"engine"},
    "api": {"pods", "build", "engine", "images"},
    "cli": {"build", "engine"},
    "daemon": {"api", "pods", "engine"},
    "__init__": {"engine"},
}
# The only foreign packages, and the rooms that may import them.
FOREIGN: dict[str, set[str]] = {"isal": {"layers"}, "backports": {"layers"}, "rich": {"cli"}}
NEWER = ("compression",)  # the standard library's from Python 3.14


class Import:
    """One import statement: of `module`, at `line` of `path`; `lazy` inside a function or for types only."""

    def __init__(self, path: Path, line: int, module: str, *, lazy: bool) -> None:
        self.where = f"{path.relative_to(PROJECT)}:{line}"
        self.module = module
        self.lazy = lazy


@cache
def modules() -> dict[str, Path]:
    return {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def name_of(path: Path) -> str:
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    return [*module.split("."), "__init__"][1]


@cache
def imports_of(path: Path) -> list[Import]:
    return list(_imports(path, ast.parse(path.read_text()), lazy=False))


def _imports(path: Path, node: ast.AST, *, lazy: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(path, child.lineno, alias.name, lazy=lazy)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"{path}:{child.lineno}: a relative import"
            for alias in child.names:
                yield Import(path, child.lineno, _imported(str(child.module), alias.name), lazy=lazy)
        elif isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            for statement in child.body:
                yield from _imports(path, ast.Module([statement], []), lazy=True)
            for statement in child.orelse:
                yield from _imports(path, ast.Module([statement], []), lazy=lazy)
        else:
            inner = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports(path, child, lazy=lazy or inner)


def _imported(module: str, name: str) -> str:
    """`from a import b` imports the module a.b if there is one, else something that stands in a."""
    return f"{module}.{name}" if f"{module}.{name}" in modules() else module


def closure(room: str) -> set[str]:
    reached = {room, "errors", "json"}
    waiting = [room]
    while waiting:
        for door in DOORS[waiting.pop()] - reached:
            reached.add(door)
            waiting.append(door)
    return reached


@pytest.mark.parametrize("module", sorted(modules()))
def test_a_module_imports_only_from_the_rooms_below_its_own(module: str) -> None:
    room = room_of(module)
    assert room in DOORS, f"{module} is in a room that has no line in DOORS"
    wrong = []
    for statement in imports_of(modules()[module]):
        if statement.module.split(".")[0] != "ringfence":
            continue
        # `from ringfence import Engine` and `__version__` are the package's public face: it opens onto engine.
        door = "engine" if statement.module == "ringfence" and room == "cli" else room_of(statement.module)
        if statement.module == "ringfence" and door == "__init__":
            continue
        if door not in closure(room):
            wrong.append(f"{statement.where}: {room} may not import {statement.module}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("module", sorted(modules()))
def test_a_module_imports_foreign_packages_only_where_they_are_declared(module: str) -> None:
    for statement in imports_of(modules()[module]):
        top = statement.module.split(".")[0]
        if top == "ringfence" or top in sys.stdlib_module_names or top in NEWER:
            continue
        if top == "_typeshed" and statement.lazy:
            continue
        assert room_of(module) in FOREIGN.get(top, set()), f"{statement.where}: {statement.module} is not declared"


def test_no_module_imports_itself_through_others_while_it_is_being_imported() -> None:
    graph = {
        module: {
            statement.module for statement in imports_of(path) if not statement.lazy and statement.module in modules()
        }
        for module, path in modules().items()
    }
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " → ".join((*trail[trail.index(module) :], module))
        if module not in done:
            for imported in sorted(graph[module]):
                visit(imported, (*trail, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_only_the_command_line_reads_the_environment() -> None:
    """Settings reach every other room as arguments, so that a library user's environment changes nothing.

    The runtime's command line counts as one; the native helper's own environment is passed, not read.
    """
    allowed = ("cli", "daemon")
    wrong = []
    for module, path in modules().items():
        if room_of(module) in allowed or module.startswith("ringfence.runtime.ringrun"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb"):
                wrong.append(f"{path.relative_to(PROJECT)}:{node.lineno}")
    assert not wrong, f"the environment is read outside the command line: {wrong}"
