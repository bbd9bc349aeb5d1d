"""Go templates, the part of them that people type after `--format`.

The language is that of https://pkg.go.dev/text/template without `define`, `template` and `block`; what is there is told
in docs/format.md. Data are what json gives: dict, list, str, int, float, bool, None, and callables where docker's rows
have a method (`{{.Label "com.example"}}`). A dict stands for Go's structs and maps alike: a missing key is an error as
in a struct, but in those maps whose keys people choose (`OPEN_MAPS`) it is no value, as in Go's maps.
"""

from __future__ import annotations

from ringfence.cli.template_functions import FUNCTIONS, NIL_LIST, NIL_MAP, kind, printed, quoted, shown, truth
from ringfence.cli.template_parser import Parser, TemplateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.cli.template_parser import Node, Operand, Pipeline

__all__ = ["Template", "TemplateError"]

OPEN_MAPS = frozenset(
    ("Labels", "Annotations", "Options", "Config", "Sysctls", "Tmpfs", "Networks", "Ports", "ExposedPorts", "Volumes",
     "Attributes", "DriverOpts", "StorageOpt")
)  # fmt: skip

# Docker's documents are structs: what their JSON has as null is an empty list or map in a template, and what it leaves
# out is a pointer to nothing there, which can be asked for.
LISTS = frozenset(
    ("Binds", "CapAdd", "CapDrop", "Cmd", "Entrypoint", "Env", "ExecIDs", "ExtraHosts", "GroupAdd", "OnBuild",
     "RepoDigests", "RepoTags", "SecurityOpt", "Shell", "VolumesFrom")
)  # fmt: skip
MAPS = frozenset(("ExposedPorts", "Labels", "Options", "Volumes"))
POINTERS = frozenset(("Health", "Healthcheck", "SizeRootFs", "SizeRw", "StopTimeout"))


class Template:
    """One parsed template. `fields` are the names it takes from the top-level value, such as {"ID", "Size"}."""

    def __init__(self, source: str) -> None:
        parser = Parser(source, FUNCTIONS)
        self.source = source
        self._body = parser.whole()
        self.fields = parser.used

    def execute(self, data: Any) -> str:
        """The text for `data`; TemplateError names the place that asked for something that is not there."""
        execution = _Execution(self.source, data)
        execution.walk(self._body, data)
        return "".join(execution.out)


class _Leave(Exception):
    """`{{break}}` or `{{continue}}` on its way to the range around it."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


class _Execution:
    """One walk over the tree: what is printed so far, and the variables, innermost last."""

    def __init__(self, source: str, data: Any) -> None:
        self.out: list[str] = []
        self._source = source
        self._variables: list[tuple[str, Any]] = [("$", data)]

    def walk(self, body: list[Node], dot: Any) -> None:
        """Print the nodes of `body`; variables that they declare end with it."""
        depth = len(self._variables)
        try:
            for node in body:
                getattr(self, "_walk_" + node[0])(node, dot)
        finally:
            del self._variables[depth:]

    def _walk_text(self, node: Node, dot: Any) -> None:
        self.out.append(node[1])

    def _walk_do(self, node: Node, dot: Any) -> None:
        value = self._pipeline(node[1], dot)
        if not node[1][0]:
            self.out.append(shown(value))

    def _walk_break(self, node: Node, dot: Any) -> None:
        raise _Leave(node[0])

    _walk_continue = _walk_break

    def _walk_if(self, node: Node, dot: Any) -> None:
        word, pipeline, body, other = node
        depth = len(self._variables)
        value = self._pipeline(pipeline, dot)
        if truth(value):
            self.walk(body, value if word == "with" else dot)
        else:
            self.walk(other, dot)
        del self._variables[depth:]

    _walk_with = _walk_if

    def _walk_range(self, node: Node, dot: Any) -> None:
        _, (declared, sign, commands), body, other = node
        value = self._pipeline(([], "", commands), dot)
        if isinstance(value, dict):
            pairs = [(key, value[key]) for key in sorted(value)]
        elif isinstance(value, (list, tuple)):
            pairs = list(enumerate(value))
        elif value is None:
            pairs = []
        else:
            raise self._error(commands[0][0], f"range can't iterate over {printed(value)}")
        if not pairs:
            self.walk(other, dot)
        depth = len(self._variables)
        for key, item in pairs:
            for name, bound in zip(declared, (item,) if len(declared) == 1 else (key, item), strict=False):
                self._bind(name, sign, bound)
            try:
                self.walk(body, item)
            except _Leave as leave:
                if leave.word == "break":
                    break
            finally:
                del self._variables[depth:]

    def _bind(self, name: str, sign: str, value: Any) -> None:
        if sign == ":=":
            self._variables.append((name, value))
        else:
            self._variables[self._position(name)] = (name, value)

    def _position(self, name: str) -> int:
        return max(position for position, (known, _) in enumerate(self._variables) if known == name)

    def _pipeline(self, pipeline: Pipeline, dot: Any) -> Any:
        declared, sign, commands = pipeline
        value: Any = None
        for position, command in enumerate(commands):
            value = self._command(command, [value] if position else [], dot)
        for name in declared:
            self._bind(name, sign, value)
        return value

    def _command(self, command: list[Operand], last: list[Any], dot: Any) -> Any:
        """A function or method with its arguments, or one value; `last` is what the pipe hands on."""
        first = command[0]
        if first[0] == "function" and first[1] in ("and", "or") and not last:
            return self._short_circuit(first[1], command[1:], dot)
        arguments = [self._operand(operand, dot) for operand in command[1:]] + last
        if first[0] != "function":
            return self._operand(first, dot, arguments)
        return self._call(first, arguments)

    def _call(self, function: Operand, arguments: list[Any]) -> Any:
        name = function[1]
        try:
            return FUNCTIONS[name](*arguments)
        except (TypeError, ValueError, LookupError, AttributeError, OverflowError) as error:
            raise self._error(function, f"error calling {name}: {error}") from None

    def _short_circuit(self, name: str, operands: list[Operand], dot: Any) -> Any:
        value: Any = None
        for operand in operands:
            value = self._operand(operand, dot)
            if truth(value) is (name == "or"):
                break
        return value

    def _operand(self, operand: Operand, dot: Any, arguments: list[Any] | None = None) -> Any:
        """The value of `operand`; if it is a method it gets `arguments`."""
        what, value, fields, _ = operand
        if what == "dot":
            value = dot
        elif what == "variable":
            value = self._variables[self._position(value)][1]
        elif what == "pipeline":
            value = self._pipeline(value, dot)
        elif what == "function":
            value = self._call(operand, [])
        within = ""
        for field in fields:
            value = self._field(value, field, operand, within)
            within = field
        if callable(value):
            try:
                return value(*arguments or ())
            except TypeError:
                raise self._error(operand, "wrong number of args") from None
        if arguments:
            raise self._error(operand, "can't give argument to non-function")
        return value

    def _field(self, value: Any, field: str, operand: Operand, within: str) -> Any:
        """`value.field`, where `value` is itself the field `within` of something."""
        if value is None:
            raise self._error(operand, f"nil data; no entry for key {quoted(field)}")
        if not isinstance(value, dict):
            raise self._error(operand, f"can't evaluate field {field} in type {kind(value)}")
        if value.get(field) is not None or (within in OPEN_MAPS and field not in MAPS | LISTS):
            return value.get(field)
        if field in LISTS | MAPS:
            return NIL_LIST if field in LISTS else NIL_MAP
        if field in value or field in POINTERS:
            return None
        # Go's names of struct fields and those in JSON differ in the case of acronyms; docker takes .ID and .Id alike
        for key in value:
            if key.upper() == field.upper():
                return value[key]
        raise self._error(operand, f"map has no entry for key {quoted(field)}")

    def _error(self, operand: Operand, what: str) -> TemplateError:
        place = operand[3]
        line = self._source.count("\n", 0, place) + 1
        column = place - (self._source.rfind("\n", 0, place) + 1)
        fields = "".join(f".{field}" for field in operand[2])
        name = operand[1] if operand[0] in ("function", "variable") else ""
        asked = name + fields or "."
        return TemplateError(f'template: :{line}:{column}: executing "" at <{asked}>: {what}')
