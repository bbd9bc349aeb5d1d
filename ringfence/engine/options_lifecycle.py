"""Options of a container's life: its name, image choice, restart policy, log, health check, files written about it."""

from __future__ import annotations

from ringfence.engine.options_health import OPTIONS as HEALTH_OPTIONS
from ringfence.engine.options_kinds import Option, bad, between, choice, pairs, size, switch, text, word
from ringfence.errors import InvalidInput, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.engine.options import Options


def is_name(name: str) -> bool:
    """Whether docker takes it as the name of a container or volume: [a-zA-Z0-9][a-zA-Z0-9_.-]+."""
    return (
        len(name) > 1
        and name.isascii()
        and name[0].isalnum()
        and all(character.isalnum() or character in "_.-" for character in name)
    )


def name(flag: str, value: Any) -> str:
    """The container's name; a leading `/` is taken off, as docker does."""
    found = text(flag, value).removeprefix("/")
    if not is_name(found) or len(found) > 255:
        bad(flag, value, "is not a name: only [a-zA-Z0-9][a-zA-Z0-9_.-]+ is allowed")
    return found


def restart(flag: str, value: Any) -> dict[str, Any]:
    """`no`, `always`, `unless-stopped`, `on-failure[:TIMES]` → {"policy", "retries"} (0 retries: without end)."""
    policy, colon, times = text(flag, value).partition(":")
    if policy not in ("", "no", "always", "unless-stopped", "on-failure"):
        bad(flag, value, "is not one of no, on-failure[:TIMES], always, unless-stopped")
    if colon and policy != "on-failure":
        bad(flag, value, "is not a restart policy: only on-failure takes a number of times")
    return {"policy": policy or "no", "retries": between(0)(flag, times) if colon else 0}


def log_driver(flag: str, value: Any) -> str:
    """The log's form."""
    driver = text(flag, value)
    if driver in ("journald", "passthrough", "syslog", "local", "fluentd", "gelf", "awslogs", "splunk", "etwlogs"):
        raise Unsupported(f"{flag}: {driver}: not built yet", hint="use k8s-file, json-file or none")
    return str(choice("k8s-file", "json-file", "none")(flag, driver))


def log_options(flag: str, value: Any) -> dict[str, int]:
    """`max-size=10m` and `max-file=3` → {"max-size": bytes, "max-file": count}."""
    found: dict[str, int] = {}
    for entry in pairs(flag, value):
        key, equals, amount = entry.partition("=")
        if not equals:
            bad(flag, entry, "is not of the form NAME=VALUE")
        if key == "max-size":
            found[key] = 0 if amount == "-1" else size(flag, amount)
        elif key == "max-file":
            found[key] = between(1)(flag, amount)
        elif entry != "mode=blocking":
            if key in ("mode", "path", "tag", "labels", "env", "compress", "labels-regex", "env-regex"):
                raise Unsupported(f"{flag}: {entry}: not built yet", hint="max-size and max-file are")
            bad(flag, entry, "is not a known log option")
    return found


def platform(flag: str, value: Any) -> str:
    """`os[/architecture[/variant]]`."""
    parts = text(flag, value).split("/")
    if len(parts) > 3 or not all(part and part.replace("_", "").isalnum() and part.isascii() for part in parts):
        bad(flag, value, "is not of the form OS[/ARCHITECTURE[/VARIANT]]")
    return "/".join(parts).lower()


def pull(flag: str, value: Any) -> str:
    """When the image is fetched from its registry."""
    return str(choice("always", "missing", "never", "newer")(flag, value))


def runtime(flag: str, value: Any) -> str:
    """The OCI runtime."""
    from ringfence.engine import runtimes

    return runtimes.check(flag, text(flag, value))


OPTIONS = (
    Option("name", "value", name, "name of the container"),
    Option("rm", "flag", switch, "remove the container when it exits"),
    Option("restart", "value", restart, "when to restart it: no, on-failure[:TIMES], always, unless-stopped",
           update=True),
    Option("pull", "value", pull, "when to fetch the image: always, missing, never, newer"),
    Option("quiet", "flag", switch, "print nothing about fetching the image", short="q"),
    Option("platform", "value", platform, "platform of the image (OS[/ARCHITECTURE[/VARIANT]])"),
    Option("runtime", "value", runtime, "OCI runtime: ringrun, runc, crun, or the path of another"),
    Option("timeout", "value", between(0), "seconds after which the container is killed; 0 for never", metavar="int"),
    Option("cidfile", "value", word, "write the container's ID to this file"),
    Option("pidfile", "value", word, "write the process ID of the container's process to this file"),
    Option("log-driver", "value", log_driver, "form of the log: k8s-file, json-file, none"),
    Option("log-opt", "list", log_options, "option of the log: max-size=SIZE, max-file=COUNT"),
    *HEALTH_OPTIONS,
)  # fmt: skip


def check(options: Options) -> None:
    """Refuse policies that contradict each other."""
    if options.rm and options.restart["policy"] != "no":
        raise InvalidInput("--rm: cannot be combined with --restart")
    if options.log_opt and options.log_driver == "none":
        raise InvalidInput("--log-opt: cannot be set with --log-driver none")
    if options.log_opt.get("max-file", 1) > 1 and not options.log_opt.get("max-size"):
        raise InvalidInput("--log-opt: max-file needs max-size")
