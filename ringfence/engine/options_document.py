"""docs/options.md from the table: `python -m ringfence.engine.options_document > docs/options.md`."""

from __future__ import annotations

from ringfence.engine.options import SECTIONS
from ringfence.engine.options_kinds import Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HEAD = """\
# Options of `run` and `create`

Written from the table in `ringfence/engine/options.py` by `python -m ringfence.engine.options_document`; a test keeps
the two equal. The words are docker's, and so is what they mean. In Python each option is a keyword argument of
`Engine.run` and `Engine.create`, in snake case (`--memory-swap` is `memory_swap`); a list may be given as a Python
list, and `env`, `label`, `annotation`, `sysctl`, `log_opt` also as a dict.

Sizes are numbers with an optional unit b, k, m, g, t or p (1024 each); durations are written as `1m30s` or `500ms`.
"""

DIFFERENCES = """
## Where docker and podman differ

Each row of `tests/cli/test_flags_as_podman.py` and `tests/cli/test_lives_as_podman.py` runs under podman and here.
Where the two known engines differ, docker's way is ours:

| | here, as docker | podman 4.3 |
|---|---|---|
"""
OTHERWISE = (
    ("capabilities of a user that is not root", "bounding set only", "`--cap-add`'s are effective and ambient"),
    ("`HOME` of a user without an entry in /etc/passwd", "`/`", "the working directory"),
    ("`--workdir` that is not there", "made", "refused"),
    ("`-v HOST:PATH` where HOST is not there", "made, a directory", "refused"),
    ("`--tmpfs`", "noexec, too; all options of tmpfs(5)", "nosuid, nodev; some options are refused"),
    ("`--read-only`", "/dev/shm can be written to", "tmpfs on /run, /tmp and /var/tmp, too"),
    ("a name with a space in `--env-file`", "refused, with its line", "passed over"),
    ("`--hostname` with `--network container:NAME`", "refused", "taken"),
    ("`--uts container:NAME`, `--cgroupns container:NAME`", "refused", "taken"),
    ("`--timeout` that runs out", "exit code 137", "255"),
    ("`--user` that is not in the image", "exit code 125", "126"),
    (
        "`--userns auto` without a size",
        "65536 ids, nobody's (65534) among them",
        "what the image's users need, 1024 at least",
    ),
    ("`--userns keep-id`, `nomap`", "refused: not built yet", "refused to root"),
    (
        "`--platform` of this machine, of an image here that is for another",
        "fetched, or refused with `--pull never`",
        "runs, with a warning",
    ),
    ("`--runtime ''`", "the usual one", "refused"),
    ("empty values, such as `--memory ''`", "refused, unless the default is empty", "mostly taken as none"),
)


def markdown() -> str:
    """The whole document."""
    parts = [HEAD]
    for section, options in SECTIONS.items():
        parts.append(f"\n## {section.capitalize()}\n\n| option | value | default | what it does |\n|---|---|---|---|\n")
        parts += [_row(option) for option in sorted(options, key=lambda option: option.name)]
    parts.append(DIFFERENCES)
    parts += [f"| {' | '.join(row)} |\n" for row in OTHERWISE]
    return "".join(parts)


def _row(option: Option) -> str:
    names = [f"`-{option.short}`"] if option.short else []
    names += [f"`--{name}`" for name in (option.name, *option.aliases)]
    text = option.doc + ("; `run` only" if option.run_only else "") + ("; also of `update`" if option.update else "")
    value = option.metavar + (" (repeatable)" if option.kind == "list" and option.metavar != "list" else "")
    return f"| {', '.join(names)} | {value} | {_default(option.default)} | {_escape(text)} |\n"


def _default(value: Any) -> str:
    """What a person would type for the default; nothing for an option that is simply off."""
    if value in (None, False, "", 0, -1) or not value:
        return ""
    if isinstance(value, dict):
        return f"`{value['policy']}`"
    if value == 64 << 20:
        return "`64m`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _escape(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(markdown(), end="")
