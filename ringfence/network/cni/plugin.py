"""One CNI plugin: found, and executed with a command, parameters and a JSON object (CNI specification, section 2)."""

from __future__ import annotations

import os

from ringfence import json
from ringfence.errors import DeadlineExceeded, Failed, NotFound
from ringfence.network.cni import result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

DIRECTORIES = ("/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # where plugins find iptables
TIMEOUT = 120.0
"""Seconds that a plugin may take: those that speak to a daemon or a DHCP server wait for it."""


def execute(
    type: str,
    command: str,
    configuration: Mapping[str, Any],
    parameters: Mapping[str, str],
    directories: Sequence[str] = DIRECTORIES,
    timeout: float = TIMEOUT,
) -> bytes:
    """What the plugin prints. `parameters` are the CNI_* variables beside CNI_COMMAND and CNI_PATH.

    It runs in the calling thread's network namespace, which has to be the host's. NotFound if there is no such
    plugin; Failed with its own message if it failed; DeadlineExceeded after `timeout` seconds, and then it is killed.
    """
    import subprocess

    path = find(type, directories)
    environment = {**parameters, "CNI_COMMAND": command, "CNI_PATH": ":".join(directories), "PATH": _PATH}
    request = json.dumps(configuration).encode()
    try:
        done = subprocess.run([path], input=request, env=environment, capture_output=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise DeadlineExceeded(f"CNI plugin {type}: {command} did not end within {timeout:g} s") from None
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise Failed(f"cannot execute CNI plugin {path}: {reason}", errno=error.errno or 0) from error
    if done.returncode:
        raise result.failure(type, command, done.returncode, done.stdout, done.stderr.decode(errors="replace"))
    return done.stdout


def find(type: str, directories: Sequence[str] = DIRECTORIES) -> str:
    """The path of the first executable of that name."""
    for directory in directories:
        path = os.path.join(directory, type)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise NotFound(
        f"no CNI plugin {type} in {', '.join(directories)}", hint="Debian's package is containernetworking-plugins"
    )


def versions(type: str, directories: Sequence[str] = DIRECTORIES) -> list[str]:
    """The versions of the protocol that it speaks."""
    from ringfence.network.cni.configuration import VERSIONS

    answer = execute(type, "VERSION", {"cniVersion": VERSIONS[-1]}, {}, directories)
    return result.versions(answer, f"CNI plugin {type}")
