"""Changes to an image config written as Dockerfile instructions: `import -c 'CMD ["sh"]'`, `commit -c 'ENV A=1'`."""

from __future__ import annotations

import re
import shlex

from ringfence import json
from ringfence.errors import InvalidInput
from ringfence.oci.digest import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
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


def set_env(config: Config, pairs: Iterable[tuple[str, str]]) -> None:
    """Set variables, each where it stood before, else at the end."""
    entries = list(config.get("Env") or [])
    for name, value in pairs:
        place = next((i for i, entry in enumerate(entries) if entry.partition("=")[0] == name), len(entries))
        entries[place : place + 1] = [f"{name}={value}"]
    config["Env"] = entries


def set_labels(config: Config, pairs: Iterable[tuple[str, str]]) -> None:
    config["Labels"] = {**(config.get("Labels") or {}), **dict(pairs)}


def expose(config: Config, words: Iterable[str]) -> None:
    """`80`, `80/udp`, `8000-8010/tcp`; ValueError otherwise."""
    ports = dict(config.get("ExposedPorts") or {})
    for word in words:
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


def add_volumes(config: Config, paths: Iterable[str]) -> None:
    config["Volumes"] = {**(config.get("Volumes") or {}), **{path: {} for path in paths}}


def set_workdir(config: Config, path: str) -> None:
    """`path` may be relative to the present one."""
    import posixpath

    if not path:
        raise ValueError("needs a directory")
    joined = posixpath.normpath(posixpath.join("/", config.get("WorkingDir") or "/", path))
    config["WorkingDir"] = f"/{joined.lstrip('/')}"


def set_user(config: Config, user: str) -> None:
    if not user or len(user.split()) > 1:
        raise ValueError("needs one user, like name, 1000 or name:group")
    config["User"] = user


def set_stop_signal(config: Config, signal: str) -> None:
    if not signal or len(signal.split()) > 1:
        raise ValueError("needs one signal, like SIGTERM or 15")
    config["StopSignal"] = signal


def add_trigger(config: Config, instruction: str) -> None:
    if not instruction or instruction.split()[0].upper() in ("ONBUILD", "FROM"):
        raise ValueError("needs an instruction other than ONBUILD and FROM")
    config["OnBuild"] = [*(config.get("OnBuild") or []), instruction]


def set_health_check(config: Config, test: list[str], options: Mapping[str, str]) -> None:
    """`test` as the image config has it (["NONE"], ["CMD", …] or ["CMD-SHELL", text]); `options` as flags have them."""
    found: Config = {}
    for name, value in options.items():
        if name not in _HEALTH:
            raise ValueError(f'unknown option "--{printable(name)}"')
        if name == "retries" and not (value.isascii() and value.isdecimal()):
            raise ValueError(f'"{printable(value)}" is not a count')
        found[_HEALTH[name]] = int(value[:9]) if name == "retries" else _duration(value)
    config["Healthcheck"] = {"Test": test, **found}


def _cmd(config: Config, text: str) -> None:
    config["Cmd"] = _command(text)


def _entrypoint(config: Config, text: str) -> None:
    config["Entrypoint"] = _command(text)


def _shell(config: Config, text: str) -> None:
    if not text.startswith("["):
        raise ValueError('needs the form ["program", "argument"]')
    config["Shell"] = _command(text)


def _health_check(config: Config, text: str) -> None:
    """`NONE`, or `[--interval=30s …] CMD command`."""
    options: dict[str, str] = {}
    word, _, rest = text.partition(" ")
    while word.startswith("--"):
        name, equals, value = word[2:].partition("=")
        if not equals:
            raise ValueError(f'unknown option "{printable(word)}"')
        options[name] = value
        word, _, rest = rest.strip().partition(" ")
    rest = rest.strip()
    if word.upper() == "NONE" and not rest and not options:
        set_health_check(config, ["NONE"], {})
    elif word.upper() == "CMD" and rest:
        command = _command(rest)
        shell = not rest.startswith("[") or command[:2] == ["/bin/sh", "-c"]
        set_health_check(config, ["CMD-SHELL", rest] if shell else ["CMD", *command], options)
    else:
        raise ValueError("needs NONE or CMD and a command")


def _duration(text: str) -> int:
    """Nanoseconds of Go's `1m30s`."""
    parts = re.findall(r"([0-9]{1,9}(?:\.[0-9]{0,9})?)(ns|us|ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f'"{printable(text)}" is not a duration like 30s')
    return int(sum(float(number) * _NANOSECONDS[unit] for number, unit in parts))


_HEALTH = {"interval": "Interval", "timeout": "Timeout", "start-period": "StartPeriod",
           "start-interval": "StartInterval", "retries": "Retries"}  # fmt: skip
_INSTRUCTIONS: dict[str, Callable[[Config, str], None]] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": lambda config, text: set_env(config, _pairs(text)),
    "EXPOSE": lambda config, text: expose(config, _words(text)),
    "HEALTHCHECK": _health_check,
    "LABEL": lambda config, text: set_labels(config, _pairs(text)),
    "ONBUILD": add_trigger,
    "SHELL": _shell,
    "STOPSIGNAL": set_stop_signal,
    "USER": set_user,
    "VOLUME": lambda config, text: add_volumes(config, _words(text)),
    "WORKDIR": set_workdir,
}
