"""Filters in docker's form: {"label": ["a=1", "b"], "status": ["exited"]}; what is common to all that take them."""

from __future__ import annotations

from ringfence.errors import InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def known(filters: Mapping[str, Sequence[str]], keys: Sequence[str]) -> None:
    """InvalidInput `--filter: …` for a key that is not one of `keys`."""
    for key in filters:
        if key not in keys:
            raise InvalidInput(f"--filter: there is no filter {key!r} here", hint=f"there are: {', '.join(keys)}")


def labels(found: Mapping[str, str], wanted: Sequence[str]) -> bool:
    """Whether all labels wanted (KEY, or KEY=VALUE) are found."""
    for label in wanted:
        key, equals, value = label.partition("=")
        if key not in found or (equals and found[key] != value):
            return False
    return True


def boolean(key: str, values: Sequence[str]) -> bool:
    """The one truth value of a filter such as dangling=true."""
    words = {"true": True, "1": True, "false": False, "0": False}
    found = {words.get(value.lower()) for value in values}
    if len(found) != 1 or None in found:
        raise InvalidInput(f"--filter: {key}={values[0] if values else ''} is neither true nor false")
    return bool(found.pop())
