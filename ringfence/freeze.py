"""Makes the file of `ringfence.frozen`; by itself (`python -m ringfence.freeze`) for the package that it is in.

What is frozen has neither docstrings nor annotations of functions, which nobody who runs a command reads: a sixth of
the bytes that a start would take in.
"""

from __future__ import annotations
import __future__

import ast
import marshal
import os
from pathlib import Path

from ringfence.frozen import HEAD, MAGIC_NUMBER, PATH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from types import CodeType

    from ringfence.frozen import Entry

ALREADY = ("ringfence", "ringfence.command", "ringfence.frozen")
"""Imported before the file is looked into."""
TOGETHER = (
    # whatever starts a process in a container
    ("ringfence.commandline", "ringfence.runtime.exec"),
    # whatever makes a container
    ("ringfence.runtime.create", "ringfence.runtime.delete", "ringfence.runtime.launch",
     "ringfence.linux.cgroups.cpuset", "ringfence.linux.cgroups.devices", "ringfence.linux.cgroups.rootless"),
    # ringrun run, create, exec
    ("ringfence.runtime.ringrun.run", "ringfence.runtime.ringrun.create", "ringfence.runtime.ringrun.exec"),
    # ringfence
    ("ringfence.cli.main", "ringfence.cli.verb", "ringfence.engine.health", "ringfence.runtime.native"),
    # ringfence run
    ("ringfence.cli.run", "ringfence.engine.create", "ringfence.engine.start", "ringfence.images.host_inputs",
     "ringfence.images.store", "ringfence.images.unpack", "ringfence.linux.seccompcache",
     "ringfence.oci.runtime_spec_seccomp", "ringfence.runtime.compile_snapshot", "ringfence.runtime.compile_stage",
     "ringfence.snapshots.overlay"),
)  # fmt: skip
"""Each of these, with all that they begin by importing and no earlier one has, is a piece of the file.

A verb that needs one module of a piece reads them all: they are what it would import anyway, or nearly so.
"""


def freeze(package: Path, target: Path, *, installation: bool = False) -> None:
    """Write `target` from the sources below `package`; for an `installation`, which copies both, they have no times."""
    sources = {_name(path.relative_to(package.parent)): path for path in sorted(package.rglob("*.py"))}
    entries = {name: _entry(path, sources, installation) for name, path in sources.items() if name not in ALREADY}
    index = "\n"
    pieces = []
    position = 0
    for names in together({name: entry[3] for name, entry in entries.items()}, TOGETHER):
        piece = marshal.dumps([(name, entries[name]) for name in names])
        index += "".join(f"{name} {position} {len(piece)}\n" for name in names)
        pieces.append(piece)
        position += len(piece)
    _write(target, index.encode(), b"".join(pieces))


def _name(source: Path) -> str:
    parts = source.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _entry(path: Path, sources: Collection[str], installation: bool) -> Entry:
    status = path.stat()
    time = 0 if installation else status.st_mtime_ns
    return path.stem == "__init__", time, status.st_size, imports(path, sources), compiled(path)


def imports(path: Path, modules: Collection[str]) -> tuple[str, ...]:
    """Those of `modules` that a source imports before it does anything else, each after the package that it is in."""
    found: dict[str, None] = {}
    for node in ast.parse(path.read_bytes()).body:
        if isinstance(node, ast.Import):
            names = [one.name for one in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{one.name}" for one in node.names]  # some of these are no modules
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):  # the docstring
            continue
        else:
            break
        for name in names:
            parts = name.split(".")
            found.update((".".join(parts[:count]), None) for count in range(1, len(parts) + 1))
    return tuple(name for name in found if name in modules and name not in ALREADY)


def together(imports: Mapping[str, Sequence[str]], groups: Sequence[Sequence[str]]) -> list[list[str]]:
    """All modules, by the pieces of the file that they are in: one for each of these groups, and one for each other."""
    left = dict.fromkeys(imports)
    pieces = []
    for roots in groups:
        piece: dict[str, None] = {}
        pending = [root for root in roots if root in imports]
        while pending:
            name = pending.pop()
            if name in left:
                del left[name]
                piece[name] = None
                pending += imports[name]
        pieces.append(list(piece))
    return [*pieces, *([name] for name in left)]


def compiled(path: Path) -> CodeType:
    """The code of one source, as the commands run it."""
    bare = Bare()
    tree = bare.visit(ast.parse(path.read_bytes(), str(path)))
    code: CodeType = compile(ast.fix_missing_locations(tree), str(path), "exec", bare.flags, dont_inherit=True)
    return code


class Bare(ast.NodeTransformer):
    """Takes docstrings, and the annotations of functions, out of a tree; those of classes may mean something.

    `flags` are the compiler's that stand for an import from __future__, which would look for a file.
    """

    def __init__(self) -> None:
        self.flags = 0

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        if node.module != "__future__":
            return node
        for one in node.names:
            self.flags |= getattr(__future__, one.name).compiler_flag
        return None

    def visit_Module(self, node: ast.Module) -> ast.AST:
        return self._without_docstring(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._without_docstring(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._without_annotations(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._without_annotations(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def _without_annotations(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self._without_docstring(node)

    def _without_docstring(
        self, node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    ) -> ast.AST:
        if ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
            if not node.body:
                node.body.append(ast.Pass())
        return self.generic_visit(node)


def _write(target: Path, index: bytes, codes: bytes) -> None:
    """By a rename: a command that runs meanwhile finds the old file or the new one.

    What a kill leaves has a name that `make clean` removes.
    """
    lengths = [len(index), HEAD + len(index) + len(codes)]
    content = MAGIC_NUMBER + b"".join(length.to_bytes(8, "little") for length in lengths) + index + codes
    partial = target.with_name(f"{os.getpid()}.{target.name}")
    partial.write_bytes(content)
    partial.rename(target)


if __name__ == "__main__":
    freeze(Path(PATH).parent, Path(PATH))
