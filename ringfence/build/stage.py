"""One stage of a build while it is built: its draft of an image, its variables, and the instructions carried out."""

from __future__ import annotations

from ringfence.build import cache, copy, run, settings, workdir
from ringfence.build.dockerfile import Instruction, parse_instruction
from ringfence.build.lines import Lines
from ringfence.build.words import expand, expand_words
from ringfence.errors import RingfenceError
from ringfence.images.steps import StepResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from ringfence.build.dockerfile import Stage
    from ringfence.build.graph import Build
    from ringfence.build.sources import Tree
    from ringfence.engine import Engine
    from ringfence.images.draft import Draft
    from ringfence.images.make import Layer
    from ringfence.linux.paths import Root

INSTRUCTIONS: Mapping[str, Callable[[StageBuild, Instruction], None]] = {
    **settings.SETTINGS,
    "ADD": copy.copy,
    "COPY": copy.copy,
    "RUN": run.run,
    "WORKDIR": workdir.workdir,
}


class StageBuild:
    """A stage being built by one thread, with an engine of its own. `number` counts the stages that are built, from 1.

    `command_is_ours`: CMD was set in this stage, not by its base.
    """

    def __init__(self, build: Build, engine: Engine, stage: Stage, number: int, draft: Draft, origin: str) -> None:
        self.build = build
        self.engine = engine
        self.stage = stage
        self.number = number
        self.draft = draft
        self.command_is_ours = False
        self._arguments: dict[str, str] = {}
        self._trail = cache.key("trail", origin)
        self._caching = build.caches(stage)

    def carry_out(self) -> Draft:
        """All instructions, those that the base has left for its children first."""
        triggers = self._triggers()
        instructions = [*triggers, *self.stage.instructions]
        total = len(instructions) + 1
        self.build.progress.line(self.number, f"STEP 1/{total}: {_one_line(self.stage.origin.line.text)}")
        for number, instruction in enumerate(instructions, 2):
            self.build.check_cancelled()
            self.build.progress.line(self.number, f"STEP {number}/{total}: {_one_line(instruction.line.text)}")
            try:
                INSTRUCTIONS[instruction.name](self, instruction)
            except ValueError as error:
                instruction.refuse(str(error))
            except RingfenceError as error:
                if error.what.startswith(f"{instruction.line.file}:"):
                    raise
                error.what = f"{instruction.line.place}: {error.what}"
                raise
        return self.draft

    def _triggers(self) -> list[Instruction]:
        """The base's ONBUILD instructions; they are for its children, not for theirs."""
        triggers = self.draft.config.pop("OnBuild", None) or []
        found = []
        for text in triggers:
            for line in Lines(text.encode("utf-8", "surrogateescape"), "ONBUILD of the base").lines:
                line.number = self.stage.origin.line.number
                found.append(parse_instruction(line))
        return found

    # Variables

    def variables(self) -> dict[str, str]:
        """What $NAME means now: the ARGs of this stage, and over them the ENVs."""
        entries = (entry.partition("=") for entry in self.draft.config.get("Env") or ())
        return {**self._arguments, **{name: value for name, _, value in entries}}

    def expand(self, instruction: Instruction, text: str) -> str:
        """One word with its variables replaced; InvalidInput quotes the line."""
        try:
            return expand(text, self.variables(), self.build.dockerfile.escape)
        except ValueError as error:
            instruction.refuse(str(error))

    def expand_words(self, instruction: Instruction, text: str) -> list[str]:
        try:
            return expand_words(text, self.variables(), self.build.dockerfile.escape)
        except ValueError as error:
            instruction.refuse(str(error))

    def declare(self, instruction: Instruction, name: str, default: str | None) -> str | None:
        """ARG: the value that counts from now on: of --build-arg, the default, or what stood before the first FROM."""
        value = self.build.argument(name)
        if value is None:
            value = self.expand(instruction, default) if default is not None else self.build.arguments.get(name)
        if value is not None:
            self._arguments[name] = value
        return value

    def run_arguments(self) -> list[str]:
        """NAME=VALUE of the ARGs that a RUN sees: those that no ENV covers."""
        covered = {entry.partition("=")[0] for entry in self.draft.config.get("Env") or ()}
        hidden = {name for proxy in run.PROXIES for name in (proxy, proxy.lower())}
        return [f"{name}={value}" for name, value in sorted(self._arguments.items()) if name not in covered | hidden]

    # Trees

    def root(self) -> Root | None:
        """The tree of the stage so far; None while there is nothing in it."""
        from ringfence.engine import root

        return root.of_layers(self.engine, self.draft)

    def tree(self, instruction: Instruction, name: str) -> Tree:
        """What `--from=NAME` names: a named context, a stage before this one, an image; the context for ""."""
        return self.build.tree(self, instruction, name)

    # Steps

    def add_nothing(self, shown: str) -> None:
        """A step that only changed the image config."""
        self._trail = cache.key("config", self._trail, shown)
        self._add(shown, self._trail, lambda: None, quiet=True)

    def add_layer(self, shown: str, decides: Sequence[Any], make: Callable[[], Layer | None]) -> None:
        """A step that adds what `make` makes, unless the cache has what these `decides` lead to."""
        self._trail = cache.key("config", self._trail, shown)
        self._add(shown, cache.key(*decides, self.build.epoch), make)

    def _add(self, shown: str, key: str, make: Callable[[], Layer | None], *, quiet: bool = False) -> None:
        content, steps = self.engine.content, self.engine.image_store.steps
        found = cache.find(steps, content, key) if self._caching else None
        if found is None:
            layer = make()
            found = StepResult(self.build.now(), layer)
            self.draft.append(layer, self._told(found, shown))
            steps.add(key, found, self.draft.chain_ids, shown)
            if layer is not None:
                self.engine.image_store.know_layer(layer.descriptor)
        else:
            self.draft.append(found.layer, self._told(found, shown))
            if not quiet:
                self.build.progress.line(self.number, "--> cached")
        self.build.used_keys.append(key)

    def _told(self, result: StepResult, shown: str) -> dict[str, str]:
        return {"created": result.created, "created_by": shown, "author": self.draft.author, "comment": "ringfence"}


def _one_line(text: str) -> str:
    return " ".join(text.split())
