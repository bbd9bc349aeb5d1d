"""Ringfence: the whole container stack in one readable Python package."""

# Here, in command.py and in frozen.py nothing is imported from __future__: that is a file to look for.

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.engine import Engine as Engine
    from ringfence.engine.rootless import enter_user_namespace as enter_user_namespace


def __getattr__(name: str) -> object:
    """Import the engine on first use, so that `ringrun` and `--version` do not pay for it (PEP 562)."""
    if name == "Engine":
        from ringfence.engine import Engine

        return Engine
    if name == "enter_user_namespace":
        from ringfence.engine.rootless import enter_user_namespace

        return enter_user_namespace
    raise AttributeError(f"module 'ringfence' has no attribute {name!r}")
