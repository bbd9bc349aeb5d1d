"""The build cache: the key of a step is a digest of all that decides what it makes."""

from __future__ import annotations

from ringfence import json
from ringfence.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.content.store import ContentStore
    from ringfence.images.steps import StepResult, Steps

_FORMAT = 1  # of keys: a change of how steps are carried out must not find the results of before


def key(*parts: Any) -> str:
    """A key of JSON values."""
    text = json.dumps([_FORMAT, *parts], ensure_ascii=True, separators=(",", ":"), sort_keys=True)
    return str(Digest.of(text.encode()))


def find(steps: Steps, content: ContentStore, key: str) -> StepResult | None:
    """The result of a step with this key, if its layer is still there."""
    found = steps.find(key)
    if found is None or (found.layer is not None and not content.exists(found.layer.descriptor.digest)):
        return None
    return found
