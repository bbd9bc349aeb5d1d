"""The built-in drivers of networks by their names; each is imported when it is needed."""

from __future__ import annotations

from ringfence.errors import InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.network.values import Driver

_MODULES = {"bridge": "Bridge", "macvlan": "Macvlan", "ipvlan": "Ipvlan", "ptp": "Ptp"}
"""The class in the module of that name."""

NAMES = tuple(_MODULES)
CNI = "cni"
"""The driver of networks that plugins make (ringfence/network/cni/driver.py), which needs more than its name."""
ROUTED = ("bridge", "ptp")
"""Whose packets pass this machine's own routing, and so its packet filter and published ports."""
PARENTED = ("macvlan", "ipvlan")
"""Whose containers are in the network of one of this machine's links, beside this machine."""


def find(name: str) -> Driver:
    """InvalidInput if there is no such driver."""
    if name not in _MODULES:
        raise InvalidInput(f"unknown network driver {name!r}", hint=f"there are {', '.join(NAMES)}")
    module = __import__(f"ringfence.network.{name}", fromlist=[_MODULES[name]])
    driver: Driver = getattr(module, _MODULES[name])()
    return driver
