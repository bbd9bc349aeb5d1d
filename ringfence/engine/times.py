"""Times as people and docker write them: RFC 3339 with nanoseconds, Go durations, "3 minutes ago"."""

from __future__ import annotations

import time

from ringfence.errors import InvalidInput

SECOND = 1_000_000_000
ZERO = "0001-01-01T00:00:00Z"
"""Docker's text for "never"."""

UNITS = {"ns": 1, "us": 1000, "µs": 1000, "ms": 1_000_000, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND}


def rfc3339(nanoseconds: int) -> str:
    """2026-11-23T10:00:00.123456789Z, or docker's zero for 0."""
    if not nanoseconds:
        return ZERO
    seconds, fraction = divmod(nanoseconds, SECOND)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{fraction:09d}Z"


def parse_rfc3339(text: str) -> int:
    """Nanoseconds since 1970 of an RFC 3339 time; date alone, minutes alone and a missing zone (local) are allowed.

    ValueError if it is none.
    """
    from datetime import datetime

    head, dot, tail = text.partition(".")
    digits = len(tail) - len(tail.lstrip("0123456789"))
    if dot and not digits:
        raise ValueError(text)
    moment = datetime.fromisoformat(head + tail[digits:])
    fraction = int(tail[:digits][:9].ljust(9, "0")) if digits else 0
    return int(moment.timestamp()) * SECOND + fraction


def parse_duration(text: str) -> int:
    """Nanoseconds of a Go duration such as 1h30m, 1.5s, 300ms; a bare 0 too. ValueError if it is none."""
    negative, rest = text.startswith("-"), text.lstrip("+-")
    if len(text) - len(rest) > 1 or not rest:
        raise ValueError(text)
    total = 0.0
    while rest and rest != "0":
        number = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        rest = rest[len(number) :]
        unit = rest[: len(rest) - len(rest.lstrip("nuµmsh"))]
        rest = rest[len(unit) :]
        if unit not in UNITS:
            raise ValueError(text)
        total += float(number) * UNITS[unit]
    return -round(total) if negative else round(total)


def parse_moment(flag: str, text: str, now: int | None = None) -> int:
    """Nanoseconds since 1970 of what `--since` and `--until` take: RFC 3339, seconds since 1970, or so long ago."""
    if now is None:
        now = time.time_ns()
    if text.isascii() and text.replace(".", "", 1).isdigit():
        seconds, _, fraction = text.partition(".")
        return int(seconds or 0) * SECOND + int(fraction[:9].ljust(9, "0"))
    try:
        return now - parse_duration(text)
    except (ValueError, OverflowError):
        pass
    try:
        return parse_rfc3339(text)
    except (ValueError, OverflowError):
        hint = "RFC 3339, seconds since 1970, or a duration such as 10m"
        raise InvalidInput(f'{flag}: "{text}" is not a time', hint=hint) from None


def span(nanoseconds: int) -> str:
    """How long, as docker says it: Less than a second, 5 seconds, About a minute, 3 hours, 2 weeks."""
    seconds = nanoseconds // SECOND
    minutes, hours = seconds // 60, round(seconds / 3600)
    if seconds < 1:
        return "Less than a second"
    if seconds < 60:
        return "1 second" if seconds == 1 else f"{seconds} seconds"
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    if hours < 48:
        return "About an hour" if hours == 1 else f"{hours} hours"
    for limit, length, unit in ((14, 1, "days"), (60, 7, "weeks"), (730, 30, "months")):
        if hours < 24 * limit:
            return f"{hours // 24 // length} {unit}"
    return f"{hours // 24 // 365} years"
