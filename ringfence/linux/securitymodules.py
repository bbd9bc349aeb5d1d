"""Security modules (AppArmor, SELinux): whether they are on, and the file of /proc that labels the next program."""

from __future__ import annotations

import os

_APPARMOR = "/sys/module/apparmor/parameters/enabled"
_SELINUX = "/sys/fs/selinux/enforce"


def apparmor() -> str:
    """The file that takes "exec PROFILE" for the program that this process will execute; "" where AppArmor is off."""
    try:
        with open(_APPARMOR) as file:
            if not file.read().startswith("Y"):
                return ""
    except FileNotFoundError:
        return ""
    own = "/proc/self/attr/apparmor/exec"  # since Linux 5.8, for when another module has the common file
    return own if os.path.exists(own) else "/proc/self/attr/exec"


def selinux() -> str:
    """The file that takes the label of the program that this process will execute; "" where SELinux is off."""
    return "/proc/self/attr/exec" if os.path.exists(_SELINUX) else ""
