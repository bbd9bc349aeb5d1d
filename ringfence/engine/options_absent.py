"""Options that docker has and Ringfence has not built yet: known by name, so that they are refused, never ignored."""

from __future__ import annotations

from ringfence.engine.options_kinds import Option, unsupported

_PARTS = unsupported("attach chooses its streams later; -i and -t work")
_LATER = unsupported("it comes later")

OPTIONS = tuple(
    Option(name, kind, read, "not built yet", short=short)
    for name, kind, read, short in (
        ("attach", "list", _PARTS, "a"),
        ("cpu-rt-period", "value", _LATER, ""),
        ("cpu-rt-runtime", "value", _LATER, ""),
        ("gpus", "value", _LATER, ""),
        ("isolation", "value", unsupported("it is for Windows"), ""),
        ("storage-opt", "list", _LATER, ""),
        ("volume-driver", "value", _LATER, ""),
    )
)
