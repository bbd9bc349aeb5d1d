"""Ringfence: the whole container stack in one readable Python package."""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.engine import Engine as Engine


def __getattr__(name: str) -> object:
    """Import `Engine` on first use, so that `ringrun` and `--version` do not pay for it (PEP 562)."""
    if name == "Engine":
        from ringfence.engine import Engine

        return Engine
    raise AttributeError(f"module 'ringfence' has no attribute {name!r}")
