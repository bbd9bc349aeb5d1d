"""Options that limit bandwidth: what a container, or a group of them, may send and receive in a second."""

from __future__ import annotations

from ringfence.engine.options_kinds import INT64_MAX, Option, bad, scaled, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Bits per second, in tc(8)'s words; its words for bytes ("mbps") are left out, for most people take them for bits.
UNITS = {"": 1, "bit": 1, **{f"{letter}bit": 1000**power for power, letter in enumerate("kmgt", 1)},
         **{f"{letter}ibit": 1024**power for power, letter in enumerate("kmgt", 1)}}  # fmt: skip
LEAST_RATE = 8000
LEAST_BURST = 2000  # bytes: a packet must fit in


def rate(flag: str, value: Any) -> int:
    """Bits per second of `50mbit`, `1.5gbit` or a number; 0 means no limit."""
    words = str(value).strip().lower()
    digits = words.rstrip("bitkmg")
    unit = UNITS.get(words[len(digits) :].strip())
    found = scaled(digits.rstrip(" "), unit) if unit else None
    if found is None or found > INT64_MAX:
        bad(flag, value, "is not a rate in bits per second, such as 50mbit")
    if 0 < found < LEAST_RATE:
        bad(flag, value, "is below the minimum of 8kbit")
    return found


def burst(flag: str, value: Any) -> int:
    """Bytes; 0 for what suits the rate."""
    result = size(flag, value)
    if result and not LEAST_BURST <= result < 1 << 31:
        bad(flag, value, f"is out of range: {LEAST_BURST} bytes to 2 GiB")
    return result


OPTIONS = (
    Option("network-egress", "value", rate, "limit of what the container sends in a second, such as 50mbit; 0 for none",
           metavar="rate", update=True, group=True),
    Option("network-ingress", "value", rate, "limit of what the container receives in a second; 0 for none",
           metavar="rate", update=True, group=True),
    Option("network-burst", "value", burst, "how much may pass at once (what passes in 20 ms if not given)",
           metavar="bytes", update=True, group=True),
)  # fmt: skip
