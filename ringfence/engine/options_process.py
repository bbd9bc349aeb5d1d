"""Options of the container's process: environment, user, program, capabilities, confinement, stop signal, terminal."""

from __future__ import annotations

from ringfence.engine.options_kinds import Option, bad, each, host_file, number, pairs, switch, text, texts
from ringfence.errors import InvalidInput, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

CONTROL_KEYS = "abcdefghijklmnopqrstuvwxyz@[\\]^_"


def environment(flag: str, value: Any) -> list[str]:
    """Entries `NAME=VALUE`, or `NAME` alone: the caller's own value, filled in by `merge_environment`."""
    entries = pairs(flag, value)
    for entry in entries:
        if not entry.partition("=")[0]:
            bad(flag, entry, "is not an environment variable: its name is empty")
    return entries


def environment_files(flag: str, value: Any) -> list[str]:
    """The entries of all files, as docker reads them: a line is NAME=VALUE or NAME; `#` begins a comment line."""
    return [entry for path in texts(flag, value) for entry in parse_environment_file(flag, path, host_file(flag, path))]


def parse_environment_file(flag: str, path: str, content: str) -> list[str]:
    """The entries of one file; values are taken as they stand, with quotes and trailing spaces."""
    entries = []
    for row, line in enumerate(content.split("\n"), 1):
        line = line.removesuffix("\r").lstrip()
        if not line or line.startswith("#"):
            continue
        name = line.partition("=")[0]
        if not name:
            raise InvalidInput(f"{flag}: {path}:{row}: no variable name in {line!r}")
        if name != "".join(name.split()) or "\0" in line:
            raise InvalidInput(f"{flag}: {path}:{row}: variable {name!r} contains white space or a NUL byte")
        entries.append(line)
    return entries


def merge_environment(entries: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """One entry a name, the last wins; a name alone takes its value from `environ` and is left out if absent there."""
    merged: dict[str, str | None] = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        merged[name] = value if equals else environ.get(name)
    return [f"{name}={value}" for name, value in merged.items() if value is not None]


def label_files(flag: str, value: Any) -> list[str]:
    """The lines of all files; `#` begins a comment line."""
    lines = [line.strip() for path in texts(flag, value) for line in host_file(flag, path).split("\n")]
    return labels_list(flag, [line for line in lines if line and not line.startswith("#")])


def labels_list(flag: str, value: Any) -> list[str]:
    """`key=value` or `key` entries."""
    entries = pairs(flag, value)
    for entry in entries:
        if not entry.partition("=")[0].strip():
            bad(flag, entry, "has an empty name")
    return entries


def labels(flag: str, value: Any) -> dict[str, str]:
    """The same as a dict; the last wins."""
    return {name: content for name, _, content in (entry.partition("=") for entry in labels_list(flag, value))}


def user(flag: str, value: Any) -> str:
    """`NAME|UID[:GROUP|GID]`; whether the names exist is looked up in the image's own passwd and group files."""
    words = str(value) if isinstance(value, int) else text(flag, value)
    name, colon, group = words.partition(":")
    if ":" in group or (colon and not group and not name):
        bad(flag, words, "is not of the form USER[:GROUP]")
    for part in (name, group):
        if part != "".join(part.split()) or "/" in part or part.startswith("-"):
            bad(flag, words, "is not of the form USER[:GROUP]")
        if part.isascii() and part.isdigit() and int(part) > 2**31 - 1:
            bad(flag, words, "is out of range: ids go from 0 to 2147483647")
    return words


def group(flag: str, value: Any) -> str:
    """A group's name or number."""
    words = user(flag, value)
    if not words or ":" in words:
        bad(flag, words, "is not a group")
    return words


def workdir(flag: str, value: Any) -> str:
    """An absolute path in the container."""
    path = text(flag, value)
    if path and not path.startswith("/"):
        bad(flag, path, "is not an absolute path")
    return path


def entrypoint(flag: str, value: Any) -> list[str]:
    """One program, or an argv: a Python list, or a JSON array as podman takes it. [""] clears the image's own."""
    if isinstance(value, str) and value.startswith("["):
        from ringfence import json

        try:
            value = json.loads(value)
        except ValueError:
            bad(flag, value, "is not a JSON array of texts")
    return texts(flag, value)


def capabilities(flag: str, value: Any) -> list[str]:
    """Names as the spec has them (CAP_CHOWN), or ALL. The prefix and the case are free."""
    from ringfence.linux import capabilities as known

    found = []
    for entry in texts(flag, value):
        for item in entry.split(","):
            name = item.strip().upper()
            if name != "ALL":
                name = name if name.startswith("CAP_") else f"CAP_{name}"
                if name not in known.NAMES:
                    bad(flag, item, "is not a capability (see capabilities(7), or ALL)")
            if name not in found:
                found.append(name)
    return found


def security(flag: str, value: Any) -> dict[str, Any]:
    """`--security-opt` entries → {"no_new_privileges", "seccomp", "unmask", "mask"}; only what was given.

    `seccomp` is "unconfined", "default", or the profile (a dict in docker's or the runtime-spec's form).
    `unmask` lists paths that are neither masked nor read-only (["ALL"] for all); `mask` lists further masked paths.
    """
    found: dict[str, Any] = {}
    for entry in texts(flag, value):
        key, content, given = _split_security(entry)
        if key == "no-new-privileges":
            if given and content not in ("true", "false"):
                bad(flag, entry, "is neither true nor false")
            found["no_new_privileges"] = content != "false"
        elif key == "seccomp":
            found["seccomp"] = _seccomp(flag, entry, content)
        elif key == "systempaths" and content == "unconfined":
            found["unmask"] = ["ALL"]
        elif key in ("unmask", "mask"):
            found[key] = found.get(key, []) + _paths(flag, entry, content, all_allowed=key == "unmask")
        elif (key, content) not in (("apparmor", "unconfined"), ("label", "disable")):  # what they ask for is so anyway
            if key in ("apparmor", "label", "proc-opts", "writable-cgroups"):
                raise Unsupported(f"{flag}: not built yet ({entry})")
            bad(flag, entry, "is not a known security option")
    return found


def _split_security(entry: str) -> tuple[str, str, bool]:
    separator = "=" if "=" in entry else ":"
    key, given, content = entry.partition(separator)
    return key, content, bool(given)


def _paths(flag: str, entry: str, content: str, *, all_allowed: bool) -> list[str]:
    if all_allowed and content.upper() == "ALL":
        return ["ALL"]
    paths = content.split(":")
    for path in paths:
        if not path.startswith("/"):
            bad(flag, entry, "is not a list of absolute paths")
    return paths


def _seccomp(flag: str, entry: str, content: str) -> Any:
    if content in ("unconfined", "default", "builtin"):
        return "default" if content == "builtin" else content
    if not content:
        bad(flag, entry, "names no profile")
    from ringfence import json

    try:
        profile = json.loads(host_file(flag, content))
    except ValueError as error:
        raise InvalidInput(f"{flag}: seccomp profile {content} is not JSON: {error}") from error
    from ringfence.engine.seccomp import check_profile

    check_profile(f"{flag}: seccomp profile {content}", profile)
    return profile


def stop_signal(flag: str, value: Any) -> str:
    """A signal's name or number."""
    from ringfence.linux import signals

    try:
        signals.parse(str(value))
    except (InvalidInput, ValueError):
        bad(flag, value, "is not a signal")
    return str(value)


def detach_keys(flag: str, value: Any) -> str:
    """A comma-separated list of keys: one character, or `ctrl-` and one of a-z @ [ \\ ] ^ _. Empty: no detaching."""
    keys = text(flag, value)
    for key in keys.split(",") if keys else ():
        control = key.removeprefix("ctrl-")
        if not (len(key) == 1 or (control != key and len(control) == 1 and control.lower() in CONTROL_KEYS)):
            bad(flag, keys, f"has an unknown key {key!r}")
    return keys


def stop_timeout(flag: str, value: Any) -> int:
    """Seconds; -1 waits for ever."""
    result = number(flag, value)
    if result < -1:
        bad(flag, value, "is below -1 (wait for ever)")
    return result


OPTIONS = (
    Option("env", "list", environment, "set an environment variable (NAME=VALUE, or NAME for the caller's value)",
           short="e"),
    Option("env-file", "list", environment_files, "read environment variables from a file"),
    Option("workdir", "value", workdir, "working directory in the container", short="w"),
    Option("user", "value", user, "user and group of the process (NAME|UID[:GROUP|GID])", short="u"),
    Option("group-add", "list", each(group), "further groups of the process"),
    Option("entrypoint", "value", entrypoint, "program that replaces the image's entrypoint"),
    Option("interactive", "flag", switch, "keep standard input open", short="i"),
    Option("tty", "flag", switch, "give the process a terminal", short="t"),
    Option("detach", "flag", switch, "run in the background and print the container's ID", short="d", run_only=True),
    Option("detach-keys", "value", detach_keys, "keys that detach from the container", run_only=True),
    Option("sig-proxy", "flag", switch, "pass signals on to the process", run_only=True),
    Option("cap-add", "list", capabilities, "add a Linux capability (or ALL)"),
    Option("cap-drop", "list", capabilities, "drop a Linux capability (or ALL)"),
    Option("security-opt", "list", security, "no-new-privileges, seccomp=PROFILE|unconfined, unmask=ALL|PATH:PATH, "
           "mask=PATH:PATH, systempaths=unconfined"),
    Option("privileged", "flag", switch, "give all capabilities, all devices and unmasked kernel files"),
    Option("init", "flag", switch, "run a small init as process 1 that forwards signals and reaps processes"),
    Option("stop-signal", "value", stop_signal, "signal that stops the container", metavar="signal"),
    Option("stop-timeout", "value", stop_timeout, "seconds until a stopped container is killed; -1 for never",
           metavar="int"),
    Option("label", "list", labels, "set metadata (KEY=VALUE)", short="l"),
    Option("label-file", "list", label_files, "read labels from a file"),
    Option("annotation", "list", labels, "add an annotation to the OCI spec (KEY=VALUE)"),
)  # fmt: skip
