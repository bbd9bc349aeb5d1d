"""What runs before a profile's own filter: ENOSYS for system calls that are newer than all the profile lists.

Whoever wrote the profile could not know them. Under its default errno, mostly EPERM, programs give up where ENOSYS
makes them fall back on an older call; runc does the same (libcontainer/seccomp/patchbpf).
"""

from __future__ import annotations

import errno
import struct

from ringfence.linux import _libseccomp
from ringfence.linux.seccompprofile import ACTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.linux.seccompprofile import Profile

    Instruction = tuple[int, int, int, int]

# struct sock_filter { u16 code; u8 jt; u8 jf; u32 k; }, the codes used, and the offsets in struct seccomp_data.
_INSTRUCTION = struct.Struct("=HBBI")
_LOAD, _JUMP, _JUMP_EQUAL, _JUMP_GREATER, _JUMP_GREATER_EQUAL, _RETURN = 0x20, 0x05, 0x15, 0x25, 0x35, 0x06
_NUMBER, _ARCHITECTURE = 0, 4

_X86_64, _X32 = 0xC000003E, 0x4000003E
_X32_BIT = 0x40000000  # the kernel gives x32 the architecture of x86_64 and tells it by this bit of the number
_NEVER_GREATER = 0xFFFFFFFF
_ENOSYS = ACTIONS["SCMP_ACT_ERRNO"] | errno.ENOSYS
# Where what nobody listed may run, or is somebody's to answer, it must not look as if the kernel lacked it.
_PERMISSIVE = frozenset(ACTIONS[f"SCMP_ACT_{name}"] & 0x7FFF0000 for name in ("ALLOW", "LOG", "TRACE", "NOTIFY"))


def enosys_for_newer(profile: Profile, architectures: list[int]) -> bytes:
    """The instructions (struct sock_filter) for these architectures; they end where the filter itself begins."""
    if profile.default_action & 0xFFFF0000 in _PERMISSIVE or profile.default_action == _ENOSYS:
        return b""
    newest = {token: _newest(profile, token) for token in architectures}
    sections = [
        _section(token, number, newest.get(_X32, -1))
        for token, number in newest.items()
        if number >= 0 and token != _X32
    ]
    if not sections:
        return b""
    program: list[Instruction] = [(_LOAD, 0, 0, _ARCHITECTURE)]
    left = sum(map(len, sections))
    for instruction in (instruction for section in sections for instruction in section):
        left -= 1
        code, *_ = instruction
        program.append((_JUMP, 0, 0, left) if code == _JUMP else instruction)
    return b"".join(_INSTRUCTION.pack(*instruction) for instruction in program)


def _newest(profile: Profile, token: int) -> int:
    """The highest number among all system calls the profile names, whatever it does with them; -1 if there is none."""
    names = {name for rule in profile.rules for name in rule.names}
    numbers = (_libseccomp.system_call(name, token) for name in names)
    return max((number for number in numbers if number is not None), default=-1)


def _section(token: int, newest: int, newest_x32: int) -> list[Instruction]:
    """One architecture's instructions: entered with the architecture loaded, passed over whole if it is another.

    The target of _JUMP, the end of all sections, is filled in by the caller.
    """
    compare: list[Instruction] = [
        (_JUMP_GREATER, 0, 1, newest),
        (_RETURN, 0, 0, _ENOSYS),
        (_JUMP, 0, 0, 0),
    ]
    if token == _X86_64:
        # Without x32 in the profile its calls are strangers, for whom the filter itself has an answer.
        limit = newest_x32 if newest_x32 >= 0 else _NEVER_GREATER
        compare = [
            (_JUMP_GREATER_EQUAL, len(compare), 0, _X32_BIT),
            *compare,
            (_JUMP_GREATER, 0, 1, limit),
            (_RETURN, 0, 0, _ENOSYS),
            (_JUMP, 0, 0, 0),
        ]
    return [(_JUMP_EQUAL, 0, 1 + len(compare), token), (_LOAD, 0, 0, _NUMBER), *compare]
