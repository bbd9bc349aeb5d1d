"""RUN: a program in the image so far; what it changes becomes a layer.

Docker's "Dockerfile reference", section RUN. It runs as any container of ours does, through the engine's options and
specs, on the host's network unless told otherwise.
"""

from __future__ import annotations

from ringfence.build import settings
from ringfence.build.run_mounts import Mounts
from ringfence.engine.options import parse
from ringfence.engine.step import Step
from ringfence.errors import CannotExecute, Failed, RingfenceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.build.dockerfile import Instruction
    from ringfence.build.stage import StageBuild
    from ringfence.engine.options import Options
    from ringfence.images.make import Layer

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
"""Arguments that need no ARG; they are not part of the image, of its history or of a cache key (also in lower case)."""
NETWORKS = {"default": "", "host": "host", "none": "none"}
_SCRIPTS = "/dev/pipes"  # where the script of a here-document with a #! line is, as under docker


class RunFailed(Failed):
    """A RUN step's program ended with `exit_code`."""

    def __init__(self, what: str, exit_code: int) -> None:
        super().__init__(what)
        self.exit_code = exit_code


def run(stage: StageBuild, instruction: Instruction) -> None:
    """Carry out RUN."""
    argv, script = _argv(stage, instruction)
    arguments = stage.run_arguments()
    shown = ["RUN", *([f"|{len(arguments)}", *arguments] if arguments else []), *argv]
    with Mounts(stage, instruction) as mounts:
        if script is not None:
            mounts.add_script(_SCRIPTS, *script)
        options = _options(stage, instruction, arguments + mounts.environment)
        config = stage.draft.config
        decides: dict[str, Any] = {
            "argv": argv,
            "environment": [*(config.get("Env") or []), *arguments],
            "user": config.get("User") or "",
            "directory": config.get("WorkingDir") or "",
            "mounts": mounts.key,
            "network": options.network,
            "hosts": list(options.add_host),
            "privileged": options.privileged,
        }
        stage.add_layer(" ".join(shown), ["run", stage.draft.top, decides],
                        lambda: _execute(stage, instruction, argv, options, mounts))  # fmt: skip


def _execute(
    stage: StageBuild, instruction: Instruction, argv: list[str], options: Options, mounts: Mounts
) -> Layer | None:
    output = stage.build.progress.output(stage.number)
    requests = mounts.make()
    with stage.build.slots, Step(stage.engine, stage.draft, argv, options, requests) as step:
        with stage.build.running(step):
            try:
                code = step.run(output.write)
            except CannotExecute as error:
                raise RunFailed(f"{instruction.line.place}: {error.what}", 127 if error.errno == 2 else 126) from None
            except RingfenceError as error:
                stage.build.check_cancelled()  # it may have been killed while it started
                raise Failed(f"{instruction.line.place}: {error.what}", hint=error.hint) from None
            finally:
                output.close()
        stage.build.check_cancelled()
        if code:
            raise RunFailed(f"{instruction.line.place}: exited with code {code}", code)
        layer = step.layer(latest=stage.build.epoch)
        if layer is not None:
            step.keep(stage.draft.chain_id_with(layer))
        return layer


def _argv(stage: StageBuild, instruction: Instruction) -> tuple[list[str], tuple[str, str] | None]:
    """The argv, and for a here-document with a #! line the name and text of the script that it runs."""
    if instruction.exec or not instruction.heredocs:
        return settings.command(stage, instruction), None
    heredocs = instruction.heredocs
    text = instruction.text
    if len(heredocs) == 1 and len(text.split()) == 1:
        content = heredocs[0].content
        if content.startswith("#!"):
            return [f"{_SCRIPTS}/{heredocs[0].name}"], (heredocs[0].name, content)
        return [*settings.shell(stage), content], None
    # The shell reads here-documents itself; tabs that <<- takes away are gone already.
    return [*settings.shell(stage), text + "".join(f"\n{each.content}{each.name}" for each in heredocs)], None


def _options(stage: StageBuild, instruction: Instruction, arguments: list[str]) -> Options:
    """The engine's options for this step: those of the build, with the step's own network and security."""
    raw: dict[str, Any] = dict(stage.build.options.engine)
    network = stage.expand(instruction, instruction.flag("network") or "") or "default"
    if network not in NETWORKS:
        instruction.refuse(f"--network={network}: is not one of {', '.join(NETWORKS)}")
    if network == "host" and stage.build.options.network == "none":
        instruction.refuse("--network=host: this build has --network none")
    security = instruction.flag("security") or "sandbox"
    if security not in ("sandbox", "insecure"):
        instruction.refuse(f"--security={security}: is neither sandbox nor insecure")
    if security == "insecure" and "security.insecure" not in stage.build.options.allow:
        instruction.refuse("--security=insecure needs the flag --allow security.insecure of build")
    raw |= {
        "network": NETWORKS[network] or stage.build.options.network,
        "privileged": security == "insecure",
        "env": [*stage.build.proxies(), *arguments],
        "entrypoint": [""],
        "no_healthcheck": True,
        "log_driver": "none",
        "rm": True,
    }
    return parse(raw)
