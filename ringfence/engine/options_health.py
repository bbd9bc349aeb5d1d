"""Options of the health check, and how they are merged with the image's HEALTHCHECK."""

from __future__ import annotations

from ringfence.engine.options_kinds import Option, bad, between, duration, switch, text
from ringfence.errors import InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ringfence.engine.options import Options

MILLISECOND = 10**6
SECOND = 10**9

# Dockerfile reference, HEALTHCHECK: what holds when neither the command line nor the image says.
DEFAULTS = {
    "Interval": 30 * SECOND,
    "Timeout": 30 * SECOND,
    "StartPeriod": 0,
    "StartInterval": 5 * SECOND,
    "Retries": 3,
}


def _interval(flag: str, value: Any) -> int:
    result = duration(flag, value)
    if 0 < result < MILLISECOND:
        bad(flag, value, "is below the minimum of 1ms")
    return result


def command(flag: str, value: Any) -> list[str]:
    """A shell command → ["CMD-SHELL", …]; a list or JSON array is an argv → ["CMD", …]; `none` → ["NONE"]."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        from ringfence import json

        try:
            value = json.loads(value)
        except ValueError:
            bad(flag, value, "is not a JSON array of texts")
    if isinstance(value, str):
        if value == "none":
            return ["NONE"]
        return ["CMD-SHELL", text(flag, value)] if value else []
    argv = [text(flag, argument) for argument in value]
    return argv if argv[:1] in (["CMD"], ["CMD-SHELL"], ["NONE"]) or not argv else ["CMD", *argv]


OPTIONS = (
    Option("health-cmd", "value", command, "command that checks the container's health; exit status 0 is healthy"),
    Option("health-interval", "value", _interval, "time between two checks (30s)", metavar="duration"),
    Option("health-timeout", "value", _interval, "time after which a check has failed (30s)", metavar="duration"),
    Option("health-retries", "value", between(0), "failures in a row that make the container unhealthy (3)",
           metavar="int"),
    Option("health-start-period", "value", _interval, "time to start, in which failures do not count (0s)",
           metavar="duration"),
    Option("health-start-interval", "value", _interval, "time between two checks during the start period (5s)",
           metavar="duration"),
    Option("no-healthcheck", "flag", switch, "turn the image's health check off"),
)  # fmt: skip


def check(options: Options) -> None:
    """`--no-healthcheck` excludes the others."""
    if options.no_healthcheck:
        for option in OPTIONS:
            if option.name != "no-healthcheck" and getattr(options, option.attribute):
                raise InvalidInput(f"--no-healthcheck: cannot be combined with --{option.name}")


def healthcheck(options: Options, image_config: Mapping[str, Any]) -> dict[str, Any] | None:
    """The health check that holds, in docker's form with all fields filled in (times in nanoseconds), or None.

    {"Test": ["CMD"|"CMD-SHELL", …], "Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"}.
    """
    if options.no_healthcheck:
        return None
    image = (image_config.get("config") or {}).get("Healthcheck") or {}
    test = options.health_cmd or image.get("Test") or []
    if not test or test[0] == "NONE":
        return None
    found: dict[str, Any] = {"Test": list(test)}
    for key, given in (
        ("Interval", options.health_interval),
        ("Timeout", options.health_timeout),
        ("StartPeriod", options.health_start_period),
        ("StartInterval", options.health_start_interval),
        ("Retries", options.health_retries),
    ):
        found[key] = given or image.get(key) or DEFAULTS[key]
    return found
