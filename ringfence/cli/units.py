"""Sizes, ages and times as docker prints them (the rules of docker/go-units and of its formatter)."""

from __future__ import annotations

import time

from ringfence.engine import times

DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")
BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")


def size(count: float, digits: int = 3) -> str:
    """`size(7_340_032)` → "7.34MB": powers of 1000, `digits` significant digits."""
    return _scaled(count, 1000, DECIMAL, digits)


def binary_size(count: float, digits: int = 4) -> str:
    """`binary_size(7_340_032)` → "7MiB": powers of 1024, as `stats` shows memory."""
    return _scaled(count, 1024, BINARY, digits)


def _scaled(count: float, base: int, units: tuple[str, ...], digits: int) -> str:
    step = 0
    while count >= base and step < len(units) - 1:
        count /= base
        step += 1
    return f"{count:.{digits}g}{units[step]}"


def ago(created: int) -> str:
    """`created` (seconds since 1970) → "4 minutes ago"; "N/A" for no time at all, as docker shows it."""
    if created <= 0:
        return "N/A"
    return times.span(max(0, time.time_ns() - created * times.SECOND)) + " ago"


def moment(seconds: float) -> str:
    """Local time as Go prints it: "2026-11-23 10:00:00 +0000 UTC"."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(seconds))


def rfc3339(seconds: float) -> str:
    """Local time as the history shows it: "2026-11-23T10:00:00Z"."""
    zone = time.strftime("%z", time.localtime(seconds))
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(seconds)) + (
        "Z" if zone == "+0000" else f"{zone[:3]}:{zone[3:]}"
    )


def ellipsis(text: str, length: int) -> str:
    """`text` in at most `length` characters, with … for what was cut."""
    return text if len(text) <= length else text[: length - 1] + "…"
