"""Changes to an image config written as Dockerfile instructions: `import -c 'CMD ["sh"]'`, `commit -c 'ENV A=1'`."""

from __future__ import annotations

import re
import shlex

from ringfence import json
from ringfence.errors import InvalidInput
from ringfence.oci.digest import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Config = dict[str, Any]

_NANOSECONDS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_PROTOCOLS = ("tcp", "udp", "sctp")


def apply_changes(config: Config, changes: Iterable[str]) -> Config:
    """A copy of `config` (the "config" member of an image config) with the changes made, in their order.

    InvalidInput quotes the change that is wrong.
    """
    changed = {key: list(value) if isinstance(value, list) else value for key, value in config.items()}
    for key in ("Labels", "Volumes", "ExposedPorts"):
        if changed.get(key):
            changed[key] = dict(changed[key])
    for change in changes:
        instruction, _, rest = change.strip().partition(" ")
        apply = _INSTRUCTIONS.get(instruction.upper())
        if apply is None:
            known = " ".join(_INSTRUCTIONS)
            raise InvalidInput(f'change "{printable(change)}": unknown instruction', hint=f"there are: {known}")
        try:
            apply(changed, rest.strip())
        except ValueError as error:
            raise InvalidInput(f'change "{printable(change)}": {error}') from None
    return changed


def _command(text: str) -> list[str]:
    """The exec form `["a", "b"]`, else the shell form; ValueError says what is wrong."""
    if text.startswith("["):
        try:
            words = json.loads(text)
        except json.JSONDecodeError:
            words = None  # as in a Dockerfile, what is not JSON is a shell's business
        if isinstance(words, list):
            if not all(isinstance(word, str) for word in words):
                raise ValueError("all words of the command must be strings")
            return words
    return ["/bin/sh", "-c", text] if text else []


def _words(text: str) -> list[str]:
    if text.startswith("["):
        return _command(text)
    words = shlex.split(text)
    if not words:
        raise ValueError("needs a value")
    return words


def _pairs(text: str) -> list[tuple[str, str]]:
    """`A=1 B="x y"`, or the old form `A the rest`."""
    if not text:
        raise ValueError("needs NAME=VALUE")
    if "=" not in text.split()[0]:
        name, _, value = text.partition(" ")
        if not value.strip():
            raise ValueError("needs NAME=VALUE")
        return [(name, value.strip())]
    pairs = []
    for word in shlex.split(text):
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise ValueError(f'"{printable(word)}" is not NAME=VALUE')
        pairs.append((name, value))
    return pairs


def _cmd(config: Config, text: str) -> None:
    config["Cmd"] = _command(text)


def _entrypoint(config: Config, text: str) -> None:
    config["Entrypoint"] = _command(text)


def _shell(config: Config, text: str) -> None:
    if not text.startswith("["):
        raise ValueError('needs the form ["program", "argument"]')
    config["Shell"] = _command(text)


def _env(config: Config, text: str) -> None:
    entries = list(config.get("Env") or [])
    for name, value in _pairs(text):
        place = next((i for i, entry in enumerate(entries) if entry.partition("=")[0] == name), len(entries))
        entries[place : place + 1] = [f"{name}={value}"]
    config["Env"] = entries


def _label(config: Config, text: str) -> None:
    config["Labels"] = {**(config.get("Labels") or {}), **dict(_pairs(text))}


def _expose(config: Config, text: str) -> None:
    ports = dict(config.get("ExposedPorts") or {})
    for word in _words(text):
        port, _, protocol = word.lower().partition("/")
        first, dash, last = port.partition("-")
        numbers = (first, last) if dash else (first,)
        if not all(n.isascii() and n.isdecimal() and 0 < int(n[:6]) < 65536 for n in numbers):
            raise ValueError(f'"{printable(word)}" is not a port')
        if (protocol or "tcp") not in _PROTOCOLS:
            raise ValueError(f'"{printable(protocol)}" is not one of {", ".join(_PROTOCOLS)}')
        if int(first) > int(numbers[-1]):
            raise ValueError(f'"{printable(word)}" is a range that ends before it begins')
        for number in range(int(first), int(numbers[-1]) + 1):
            ports[f"{number}/{protocol or 'tcp'}"] = {}
    config["ExposedPorts"] = ports


def _volume(config: Config, text: str) -> None:
    config["Volumes"] = {**(config.get("Volumes") or {}), **{path: {} for path in _words(text)}}


def _workdir(config: Config, text: str) -> None:
    import posixpath

    if not text:
        raise ValueError("needs a directory")
    joined = posixpath.normpath(posixpath.join("/", config.get("WorkingDir") or "/", text))
    config["WorkingDir"] = f"/{joined.lstrip('/')}"


def _user(config: Config, text: str) -> None:
    if not text or len(text.split()) > 1:
        raise ValueError("needs one user, like name, 1000 or name:group")
    config["User"] = text


def _stop_signal(config: Config, text: str) -> None:
    if not text or len(text.split()) > 1:
        raise ValueError("needs one signal, like SIGTERM or 15")
    config["StopSignal"] = text


def _on_build(config: Config, text: str) -> None:
    if not text or text.split()[0].upper() in ("ONBUILD", "FROM"):
        raise ValueError("needs an instruction other than ONBUILD and FROM")
    config["OnBuild"] = [*(config.get("OnBuild") or []), text]


def _health_check(config: Config, text: str) -> None:
    """`NONE`, or `[--interval=30s …] CMD command`."""
    options: Config = {}
    word, _, rest = text.partition(" ")
    while word.startswith("--"):
        name, equals, value = word[2:].partition("=")
        key = {"interval": "Interval", "timeout": "Timeout", "start-period": "StartPeriod", "retries": "Retries"}.get(
            name
        )
        if key is None or not equals:
            raise ValueError(f'unknown option "{printable(word)}"')
        if key == "Retries" and not (value.isascii() and value.isdecimal()):
            raise ValueError(f'"{printable(value)}" is not a count')
        options[key] = int(value[:9]) if key == "Retries" else _duration(value)
        word, _, rest = rest.strip().partition(" ")
    rest = rest.strip()
    if word.upper() == "NONE" and not rest and not options:
        config["Healthcheck"] = {"Test": ["NONE"]}
    elif word.upper() == "CMD" and rest:
        command = _command(rest)
        shell = not rest.startswith("[") or command[:2] == ["/bin/sh", "-c"]
        config["Healthcheck"] = {"Test": ["CMD-SHELL", rest] if shell else ["CMD", *command], **options}
    else:
        raise ValueError("needs NONE or CMD and a command")


def _duration(text: str) -> int:
    """Nanoseconds of Go's `1m30s`."""
    parts = re.findall(r"([0-9]{1,9}(?:\.[0-9]{0,9})?)(ns|us|ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f'"{printable(text)}" is not a duration like 30s')
    return int(sum(float(number) * _NANOSECONDS[unit] for number, unit in parts))


_INSTRUCTIONS: dict[str, Callable[[Config, str], None]] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _health_check,
    "LABEL": _label,
    "ONBUILD": _on_build,
    "SHELL": _shell,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
