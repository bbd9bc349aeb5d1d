"""System call filters (seccomp(2)): a profile of the OCI spec compiled by libseccomp, and loaded."""

from __future__ import annotations

import errno

from ringfence.errors import InvalidInput
from ringfence.linux import _libc, _libseccomp
from ringfence.linux.seccompenosys import enosys_for_newer
from ringfence.linux.seccompprofile import (
    ACTIONS,
    ARCHITECTURES,
    FLAGS,
    NEW_LISTENER,
    OPERATORS,
    Profile,
    flags,
    notifies,
    parse,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "ACTIONS",
    "ARCHITECTURES",
    "FLAGS",
    "OPERATORS",
    "add_rules",
    "compile_filter",
    "flags",
    "library_version",
    "load",
    "notifies",
    "supported_flags",
]

# The library's names for what `uname -m` calls otherwise.
_MACHINES = {"i386": "x86", "i686": "x86", "armv7l": "arm", "armv8l": "arm"}
_MOST_INSTRUCTIONS = 4096
# Below this a tree is no faster, and libseccomp before 2.5.4 loses the default action of an empty one (its issue 370).
_FEWEST_RULES_FOR_TREE = 8
_INSTRUCTION_SIZE = 8  # struct sock_filter


def compile_filter(seccomp: dict[str, Any], arch: str = "") -> bytes:
    """The program of an OCI profile, an array of struct sock_filter, for `arch` (as `uname -m`; default: this machine).

    Names of system calls that libseccomp does not know are left out: they cannot be made here (K20). So are
    architectures that cannot make one here, because of their byte order or because they are newer than the library.
    """
    profile = parse(seccomp)
    native = _native(arch)
    with _libseccomp.Filter(profile.default_action, native) as filter:
        architectures = [native]
        for name in profile.architectures:
            token = _libseccomp.architecture(name.removeprefix("SCMP_ARCH_").lower())
            if token and token not in architectures and _add_architecture(filter, token):
                architectures.append(token)
        if add_rules(filter, profile) >= _FEWEST_RULES_FOR_TREE and _libseccomp.version() >= (2, 5, 0):
            filter.use_binary_tree()
        program = enosys_for_newer(profile, architectures) + filter.export()
    if len(program) // _INSTRUCTION_SIZE > _MOST_INSTRUCTIONS:
        raise InvalidInput(f"linux.seccomp.syscalls: more than {_MOST_INSTRUCTIONS} instructions when compiled")
    return program


def load(program: bytes, flags: int = 0) -> int:
    """Put the calling thread under a filter; returns 0, or the listener's descriptor if `flags` has NEW_LISTENER.

    Without CAP_SYS_ADMIN in its user namespace the thread must have given up new privileges first (EACCES).
    """
    return _libc.seccomp_set_filter(program, flags)


def library_version() -> tuple[int, int, int]:
    """Of libseccomp, which compiles the filters."""
    return _libseccomp.version()


def supported_flags() -> list[str]:
    """The names of the flags that this kernel knows."""
    listener = FLAGS["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"], NEW_LISTENER  # the one is refused without the other
    return sorted(
        name for name, flag in FLAGS.items() if _libc.seccomp_knows(sum(listener) if flag in listener else flag)
    )


def _native(arch: str) -> int:
    if not arch:
        return _libseccomp.native()
    token = _libseccomp.architecture(_MACHINES.get(arch, arch))
    if not token:
        raise InvalidInput(f'libseccomp does not know the architecture "{arch}"')
    return token


def _add_architecture(filter: _libseccomp.Filter, token: int) -> bool:
    try:
        filter.add_architecture(token)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EDOM):  # newer than the library; of the other byte order
            raise
        return False
    return True


def add_rules(filter: _libseccomp.Filter, profile: Profile) -> int:
    """Add the rules that change anything, and count them."""
    count = 0
    for rule in profile.rules:
        if rule.action == profile.default_action:
            continue
        indexes = {condition.index for condition in rule.conditions}
        # The library takes one condition an argument. As under runc, more of them are alternatives, a rule for each.
        alternatives = [rule.conditions]
        if len(indexes) < len(rule.conditions):
            alternatives = [[condition] for condition in rule.conditions]
        for name in rule.names:
            number = _libseccomp.system_call(name)
            if number is None:
                continue
            for conditions in alternatives:
                filter.add_rule(rule.action, number, conditions)
                count += 1
    return count
