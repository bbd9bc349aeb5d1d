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
    from types import CodeType

ALREADY = ("ringfence", "ringfence.command", "ringfence.frozen")
"""Imported before the file is looked into."""


def freeze(package: Path, target: Path, *, installation: bool = False) -> None:
    """Write `target` from the sources below `package`; for an `installation`, which copies both, they have no times."""
    index = "\n"
    codes = []
    position = 0
    for path in sorted(package.rglob("*.py")):
        relative = path.relative_to(package.parent).with_suffix("")
        is_package = relative.name == "__init__"
        name = ".".join((relative.parent if is_package else relative).parts)
        if name in ALREADY:
            continue
        status = path.stat()
        code = marshal.dumps(compiled(path))
        time = 0 if installation else status.st_mtime_ns
        index += f"{name} {position} {len(code)} {is_package:d} {time} {status.st_size}\n"
        codes.append(code)
        position += len(code)
    _write(target, index.encode(), b"".join(codes))


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
