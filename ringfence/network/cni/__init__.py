"""CNI, the Container Network Interface, version 1.1.0: networks made by whatever plugins an administrator chose.

A network is a configuration, a list of plugins: small programs that are executed one after the other with JSON on
stdin. `configuration` reads it, `plugin` executes one program, `result` reads what it answers, `cache` keeps the
answers, and `attachment` does with all of them what the specification's section 3 asks of a runtime.
"""

from __future__ import annotations

from ringfence.network.cni.attachment import Attachment, Cni
from ringfence.network.cni.configuration import Configuration, find, load, load_all
from ringfence.network.cni.result import Result

__all__ = ["Attachment", "Cni", "Configuration", "Result", "find", "load", "load_all"]
