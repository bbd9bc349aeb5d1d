"""`ringrun restore`: see checkpoint.py."""

from __future__ import annotations

from ringfence.runtime.ringrun.checkpoint import VERB

__all__ = ["VERB"]
