"""Control groups: where they are mounted, what to write into them, what can be read back; v1, v2 and both at once.

One driver serves all three layouts. The kernel binds each controller to one hierarchy, v1 or v2, and so every
controller has a module here that knows its files in both versions (cgroups(7); the kernel's cgroup-v1/ and
cgroup-v2.rst). The driver asks the layout which of the two applies.
"""

from __future__ import annotations

from ringfence.linux.cgroups.driver import CgroupDriver, driver
from ringfence.linux.cgroups.layout import Hierarchy, Layout, detect, layout
from ringfence.linux.cgroups.setting import Setting
from ringfence.linux.cgroups.usable import usable

__all__ = ["CgroupDriver", "Hierarchy", "Layout", "Setting", "detect", "driver", "layout", "usable"]
