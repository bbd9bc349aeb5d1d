"""The instructions that only change the image config: ENV, LABEL, CMD, USER, …, and ARG, which changes nothing."""

from __future__ import annotations

from ringfence import json
from ringfence.images import changes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.build.dockerfile import Instruction
    from ringfence.build.stage import StageBuild

DEFAULT_SHELL = ["/bin/sh", "-c"]


def shell(stage: StageBuild) -> list[str]:
    """What SHELL says, for the shell form of RUN, CMD and ENTRYPOINT."""
    return list(stage.draft.config.get("Shell") or DEFAULT_SHELL)


def command(stage: StageBuild, instruction: Instruction) -> list[str]:
    """The argv of the exec form, or of the shell with the text."""
    return list(instruction.words) if instruction.exec else [*shell(stage), instruction.text]


def _arg(stage: StageBuild, instruction: Instruction) -> None:
    shown = []
    for name, default in instruction.pairs:
        value = stage.declare(instruction, stage.expand(instruction, name), default)
        shown.append(name if value is None else f"{name}={value}")
    stage.add_nothing(f"ARG {' '.join(shown)}")


def _cmd(stage: StageBuild, instruction: Instruction) -> None:
    stage.draft.config["Cmd"] = command(stage, instruction)
    stage.command_is_ours = True
    stage.add_nothing(f"CMD {json.dumps(stage.draft.config['Cmd'], ensure_ascii=False)}")


def _entrypoint(stage: StageBuild, instruction: Instruction) -> None:
    stage.draft.config["Entrypoint"] = command(stage, instruction)
    if not stage.command_is_ours:
        stage.draft.config.pop("Cmd", None)  # the base's command was for the base's entrypoint
    stage.add_nothing(f"ENTRYPOINT {json.dumps(stage.draft.config['Entrypoint'], ensure_ascii=False)}")


def _env(stage: StageBuild, instruction: Instruction) -> None:
    # all words of one instruction see the variables as they were before it
    pairs = [(stage.expand(instruction, name), stage.expand(instruction, value or ""))
             for name, value in instruction.pairs]  # fmt: skip
    changes.set_env(stage.draft.config, pairs)
    stage.add_nothing(f"ENV {' '.join(f'{name}={value}' for name, value in pairs)}")


def _label(stage: StageBuild, instruction: Instruction) -> None:
    pairs = [(stage.expand(instruction, name), stage.expand(instruction, value or ""))
             for name, value in instruction.pairs]  # fmt: skip
    changes.set_labels(stage.draft.config, pairs)
    stage.add_nothing(f"LABEL {' '.join(f'{name}={value}' for name, value in pairs)}")


def _expose(stage: StageBuild, instruction: Instruction) -> None:
    words = [word for text in instruction.words for word in stage.expand_words(instruction, text)]
    changes.expose(stage.draft.config, words)
    stage.add_nothing(f"EXPOSE {' '.join(words)}")


def _health_check(stage: StageBuild, instruction: Instruction) -> None:
    options = {name: values[-1] for name, values in instruction.flags.items()}
    inner = instruction.inner
    test = ["NONE"] if inner is None else ["CMD", *inner.words] if inner.exec else ["CMD-SHELL", inner.text]
    changes.set_health_check(stage.draft.config, test, options)
    stage.add_nothing(f"HEALTHCHECK {json.dumps(test, ensure_ascii=False)}")


def _maintainer(stage: StageBuild, instruction: Instruction) -> None:
    stage.draft.author = instruction.text
    stage.add_nothing(f"MAINTAINER {instruction.text}")


def _on_build(stage: StageBuild, instruction: Instruction) -> None:
    text = instruction.text
    for heredoc in instruction.heredocs:
        text += f"\n{heredoc.content}{heredoc.name}"
    changes.add_trigger(stage.draft.config, text)
    stage.add_nothing(f"ONBUILD {text}")


def _shell(stage: StageBuild, instruction: Instruction) -> None:
    stage.draft.config["Shell"] = list(instruction.words)
    stage.add_nothing(f"SHELL {json.dumps(instruction.words, ensure_ascii=False)}")


def _stop_signal(stage: StageBuild, instruction: Instruction) -> None:
    signal = stage.expand(instruction, instruction.words[0])
    from ringfence.engine.options_process import stop_signal

    stop_signal("STOPSIGNAL", signal)
    changes.set_stop_signal(stage.draft.config, signal)
    stage.add_nothing(f"STOPSIGNAL {signal}")


def _user(stage: StageBuild, instruction: Instruction) -> None:
    user = stage.expand(instruction, instruction.words[0])
    changes.set_user(stage.draft.config, user)
    stage.add_nothing(f"USER {user}")


def _volume(stage: StageBuild, instruction: Instruction) -> None:
    paths = [stage.expand(instruction, word) for word in instruction.words]
    if not all(paths):
        raise ValueError("a volume needs a path")
    changes.add_volumes(stage.draft.config, paths)
    stage.add_nothing(f"VOLUME {json.dumps(paths, ensure_ascii=False)}")


SETTINGS: dict[str, Callable[[StageBuild, Instruction], None]] = {
    "ARG": _arg,
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _health_check,
    "LABEL": _label,
    "MAINTAINER": _maintainer,
    "ONBUILD": _on_build,
    "SHELL": _shell,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
}
