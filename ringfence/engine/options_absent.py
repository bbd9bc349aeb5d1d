"""Options that docker has and Ringfence has not built yet: known by name, so that they are refused, never ignored."""

from __future__ import annotations

from ringfence.engine.options_kinds import Option, unsupported

_NETWORKS = unsupported("networks come with the network part")
_PARTS = unsupported("attach chooses its streams later; -i and -t work")
_LATER = unsupported("it comes later")

OPTIONS = tuple(
    Option(name, kind, read, "not built yet", short=short)
    for name, kind, read, short in (
        ("attach", "list", _PARTS, "a"),
        ("cpu-rt-period", "value", _LATER, ""),
        ("cpu-rt-runtime", "value", _LATER, ""),
        ("expose", "list", _NETWORKS, ""),
        ("gpus", "value", _LATER, ""),
        ("ip", "value", _NETWORKS, ""),
        ("ip6", "value", _NETWORKS, ""),
        ("isolation", "value", unsupported("it is for Windows"), ""),
        ("link", "list", _NETWORKS, ""),
        ("link-local-ip", "list", _NETWORKS, ""),
        ("mac-address", "value", _NETWORKS, ""),
        ("network-alias", "list", _NETWORKS, ""),
        ("publish", "list", _NETWORKS, "p"),
        ("publish-all", "flag", _NETWORKS, "P"),
        ("storage-opt", "list", _LATER, ""),
        ("volume-driver", "value", _LATER, ""),
    )
)
