"""The build graph: the stages that a target needs, each built by a thread of its own as soon as it is asked for.

A stage waits for another where it needs it (its FROM, a COPY --from, a mount), so independent ones run at once, and
what nothing needs is never begun. The first failure ends all.
"""

from __future__ import annotations

import os
import threading
import time

from ringfence.build.dockerfile import Dockerfile, Instruction, Stage
from ringfence.build.run import PROXIES
from ringfence.build.sources import Tree
from ringfence.build.stage import StageBuild
from ringfence.build.words import expand
from ringfence.errors import Conflict, RingfenceError
from ringfence.images import make
from ringfence.images.draft import Draft
from ringfence.oci.platform import Platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ringfence.build.context import Context
    from ringfence.build.options import BuildOptions
    from ringfence.build.progress import Progress
    from ringfence.engine import Engine
    from ringfence.engine.step import Step
    from ringfence.images.image import Image

IMAGE_SCHEMES = ("docker-image://", "container-image://", "docker://")
_LATER_ARGUMENTS = ("SOURCE_DATE_EPOCH",)  # are known without an ARG


class Cancelled(RingfenceError):
    """Another stage has failed."""


class _Result:
    """What becomes of a stage."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.draft: Draft | None = None
        self.error: BaseException | None = None


class Build:
    """One build, for one platform. `arguments` are the variables that stand before the first FROM, the platform's among
    them; `agents` the sockets of ssh agents by their IDs."""

    def __init__(self, engine: Engine, dockerfile: Dockerfile, context: Context, options: BuildOptions,
                 agents: Mapping[str, str], progress: Progress, platform: str = "") -> None:  # fmt: skip
        self.dockerfile = dockerfile
        self.options = options
        self.agents = agents
        self.epoch = options.epoch
        self.used_keys: list[str] = []
        self.slots = threading.BoundedSemaphore(options.jobs or max(os.cpu_count() or 1, 2))
        self._engine = engine
        self._context = context
        self.platform = Platform.parse(platform) if platform else Platform.host()
        self._asked = platform  # "": any image that is here will do
        self.arguments = self._platform_arguments()
        self._declare_arguments()
        self.target = self._target()
        self._numbers = {stage: number for number, stage in enumerate(sorted(self._needed()), 1)}
        self.progress = progress
        progress.stages = len(self._numbers)
        self._lock = threading.Lock()
        self._results: dict[int, _Result] = {}
        self._threads: list[threading.Thread] = []
        self._running: set[Step] = set()
        self._cancelled = False

    def carry_out(self) -> Draft:
        """Build the target; whatever happens, nothing of it goes on."""
        self._warn()
        if len(self._numbers) == 1:
            return self._build(self._engine, self.target)
        for index in self._numbers:
            self._start(index)
        try:
            return self.result(self.target.index)
        except Cancelled:
            raise self._first_error() from None
        except BaseException:
            self.cancel()
            raise
        finally:
            self.cancel()
            for thread in self._threads:
                thread.join()

    # Stages

    def result(self, index: int) -> Draft:
        """The finished draft of a stage, begun now if it was not."""
        self._start(index)
        found = self._results[index]
        found.done.wait()
        if found.error is not None:
            if isinstance(found.error, Cancelled):
                raise Cancelled("another stage has failed")
            raise found.error
        assert found.draft is not None
        return found.draft

    def _start(self, index: int) -> None:
        with self._lock:
            if index in self._results:
                return
            self._results[index] = _Result()
            thread = threading.Thread(target=self._work, args=(index,), name=f"stage {index}")
            self._threads.append(thread)
        thread.start()

    def _work(self, index: int) -> None:
        found, ours = self._results[index], self._engine
        try:
            with ours.sibling() as engine:
                found.draft = self._build(engine, self.dockerfile.stages[index])
        except BaseException as error:
            found.error = error
            self.cancel()
        finally:
            found.done.set()

    def _build(self, engine: Engine, stage: Stage) -> Draft:
        draft, origin = self._base(engine, stage)
        return StageBuild(self, engine, stage, self._numbers.get(stage.index, 0), draft, origin).carry_out()

    def _base(self, engine: Engine, stage: Stage) -> tuple[Draft, str]:
        """The draft that a stage begins with, and what the cache calls it."""
        from ringfence.build import cache

        name = self._base_name(stage)
        platform = self._expand(stage.origin, stage.origin.flag("platform") or "") or self._asked
        earlier = self.dockerfile.stage(name, stage.index)
        given = self.options.contexts.get(name.lower(), "")
        if earlier is not None and not given:
            draft = self.result(earlier.index).copy()
        elif name == "scratch" and not given:
            draft = Draft.scratch(Platform.parse(platform) if platform else self.platform)
        else:
            if given and not given.startswith(IMAGE_SCHEMES):
                stage.origin.refuse(f"the context {name} is no image")
            name = given.partition("://")[2] or name
            try:
                image = self.image(engine, name, platform)
            except RingfenceError as error:
                stage.origin.refuse(error.what, hint=error.hint)
            draft = Draft.of(image)
        return draft, cache.key(draft.document(""))

    def image(self, engine: Engine, name: str, platform: str = "") -> Image:
        """An image of this machine, pulled if need be."""
        from ringfence.engine.create import find_image
        from ringfence.engine.options import parse

        raw = {"pull": self.options.pull} if self.options.pull != "missing" else {}
        before, engine.pulling = engine.pulling, self._engine.pulling or self.progress.pulling
        try:
            return find_image(engine, name, parse({**raw, **({"platform": platform} if platform else {})}))
        finally:
            engine.pulling = before

    def _base_name(self, stage: Stage) -> str:
        if self.options.base and stage.index == 0:
            return self.options.base
        name = self._expand(stage.origin, stage.base)
        if not name:
            stage.origin.refuse(f"the name of the image is empty: {stage.base} has no value")
        return name

    # Trees

    def tree(self, stage: StageBuild, instruction: Instruction, name: str) -> Tree:
        """See StageBuild.tree."""
        from ringfence.engine import root
        from ringfence.linux.paths import Root

        given = self.options.contexts.get(name.lower(), "") if name else ""
        if given.startswith("target:"):
            name, given = given.removeprefix("target:"), ""
        if not name:
            return self._context.tree()
        if given and not given.startswith(IMAGE_SCHEMES):
            return Tree(Root(given), f"the context {name}", directories=[given], foreign=True)
        earlier = None if given else self.dockerfile.stage(name, stage.stage.index)
        if earlier is not None:
            found: Draft | Image = self.result(earlier.index)
            shown = f"the stage {name}"
        else:
            if self.dockerfile.stage(name) is not None and not name.isdecimal():
                instruction.refuse(f"the stage {name} comes later: only stages before this one can be copied from")
            if name.isdecimal():
                instruction.refuse(f"there is no stage {name} before this one")
            try:
                found = self.image(stage.engine, given.partition("://")[2] or name)
            except RingfenceError as error:
                instruction.refuse(error.what, hint=error.hint)
            shown = f"the image {name}"
        snapshots = stage.engine.snapshots
        opened = root.of_layers(stage.engine, found)
        chain_ids = found.chain_ids[-1:] if snapshots.driver == "copy" else found.chain_ids[::-1]
        return Tree(opened, shown, directories=[snapshots.layer_path(chain_id) for chain_id in chain_ids])

    # What is needed

    def _target(self) -> Stage:
        stages, name = self.dockerfile.stages, self.options.target
        if not name:
            return stages[-1]
        found = self.dockerfile.stage(name)
        if found is None:
            known = ", ".join(stage.name or str(stage.index) for stage in stages)
            raise Conflict(f"--target: there is no stage {name} in {self.dockerfile.file}", hint=f"there are: {known}")
        return found

    def _needed(self) -> set[int]:
        """The stages that the target needs, as far as the Dockerfile tells; triggers of a base may need others."""
        needed: set[int] = set()
        waiting = [self.target]
        while waiting:
            stage = waiting.pop()
            if stage.index not in needed:
                needed.add(stage.index)
                earlier = (self.dockerfile.stage(name, stage.index) for name in self._names(stage))
                waiting += [other for other in earlier if other is not None]
        return needed

    def _names(self, stage: Stage) -> Iterator[str]:
        """What the instructions of a stage take from elsewhere; a name with a variable is found out on the way."""
        names = [self._base_name(stage)]
        for instruction in stage.instructions:
            names += instruction.flags.get("from", ())
            for mount in instruction.flags.get("mount", ()):
                names += [field.partition("=")[2] for field in mount.split(",") if field.startswith("from=")]
        for name in names:
            if name.lower() not in self.options.contexts:
                yield name

    # Variables

    @property
    def environment(self) -> Mapping[str, str]:
        """Of programs that work for the build on this machine."""
        return self._engine.environment

    def argument(self, name: str) -> str | None:
        """What --build-arg says."""
        return self.options.arguments.get(name)

    def proxies(self) -> list[str]:
        """NAME=VALUE of the predefined arguments that were given."""
        return [f"{name}={value}" for name, value in self.options.arguments.items() if name.upper() in PROXIES]

    def _platform_arguments(self) -> dict[str, str]:
        found = {}
        for prefix, platform in (("TARGET", self.platform), ("BUILD", Platform.host())):
            found[f"{prefix}PLATFORM"] = str(platform)
            found[f"{prefix}OS"] = platform.os
            found[f"{prefix}ARCH"] = platform.architecture
            found[f"{prefix}VARIANT"] = platform.variant
        return {**found, "TARGETSTAGE": self.options.target or "default"}

    def _declare_arguments(self) -> None:
        for instruction in self.dockerfile.arguments:
            for name, default in instruction.pairs:
                value = self.argument(name)
                if value is None and default is not None:
                    value = self._expand(instruction, default)
                if value is not None:
                    self.arguments[name] = value

    def _expand(self, instruction: Instruction, text: str) -> str:
        try:
            return expand(text, self.arguments, self.dockerfile.escape)
        except ValueError as error:
            instruction.refuse(str(error))

    def _warn(self) -> None:
        instructions = [*self.dockerfile.arguments,
                        *(each for stage in self.dockerfile.stages for each in stage.instructions)]  # fmt: skip
        declared = {name for each in instructions if each.name == "ARG" for name, _ in each.pairs}
        unused = [name for name in self.options.arguments
                  if name not in declared and name.upper() not in (*PROXIES, *_LATER_ARGUMENTS)
                  and not name.startswith("BUILDKIT_") and name not in self.arguments]  # fmt: skip
        if unused:
            self.progress.line(0, f"warning: no ARG takes the build arguments {', '.join(unused)}")

    # Time and ends

    def now(self) -> str:
        """The date of what is made now; of a reproducible build its own."""
        if self.epoch is None:
            return make.now()
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.epoch))

    def now_ns(self) -> int:
        return time.time_ns() if self.epoch is None else self.epoch * 10**9

    def caches(self, stage: Stage) -> bool:
        """Whether a stage may take results of earlier builds."""
        named = {stage.name, str(stage.index)} & set(self.options.no_cache_filter)
        return not self.options.no_cache and not named

    def running(self, step: Step) -> _Running:
        """A context in which `cancel` kills the step."""
        return _Running(step, self._running, self._lock, self.check_cancelled)

    def check_cancelled(self) -> None:
        if self._cancelled:
            raise Cancelled("another stage has failed")

    def cancel(self) -> None:
        """End all stages that still run."""
        with self._lock:
            self._cancelled = True
            for step in self._running:
                step.kill()

    def _first_error(self) -> BaseException:
        errors = [result.error for result in self._results.values() if result.error is not None]
        return next((error for error in errors if not isinstance(error, Cancelled)), errors[0])


class _Running:
    def __init__(self, step: Step, steps: set[Step], lock: threading.Lock, check: Callable[[], None]) -> None:
        self._step = step
        self._steps = steps
        self._lock = lock
        self._check = check

    def __enter__(self) -> None:
        with self._lock:
            self._check()
            self._steps.add(self._step)

    def __exit__(self, *_exception: object) -> None:
        with self._lock:
            self._steps.discard(self._step)
