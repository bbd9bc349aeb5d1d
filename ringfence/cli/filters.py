"""`--filter name=value`, as ps, images, volume ls, events and the prune verbs take it.

Values of one name are alternatives, different names must all hold; the engine knows which names a verb has.
"""

from __future__ import annotations

from ringfence.cli.parser import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def parse(words: Iterable[str]) -> dict[str, list[str]]:
    """`["status=running", "label=a=b"]` → `{"status": ["running"], "label": ["a=b"]}`; names in lower case.

    UsageError for a word without `=` or without a name, in docker's words.
    """
    filters: dict[str, list[str]] = {}
    for word in words:
        name, equals, value = word.partition("=")
        name = name.strip().lower()
        if not equals or not name:
            raise UsageError(
                f'invalid argument "{word}" for "-f, --filter" flag: bad format of filter (expected name=value)'
            )
        values = filters.setdefault(name, [])
        if value.strip() not in values:
            values.append(value.strip())
    return filters
