"""The program that decides over devices in cgroup v2 (kernel: cgroup-v2.rst, "Device controller"; bpf/standardization).

It is called with the device and the wanted access (struct bpf_cgroup_dev_ctx) and returns 1 to allow, 0 to deny. All
programs attached to a cgroup and to its ancestors must allow.
"""

from __future__ import annotations

import struct

from ringfence.linux import _libc
from ringfence.linux.cgroups import devices

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.linux.cgroups.devices import Rule

_PROG_TYPE_CGROUP_DEVICE = 15
_CGROUP_DEVICE = 6
_ALLOW_MULTI = 2  # cgroups below may have programs of their own, as a container in a container needs

_TYPES = {"b": 1, "c": 2}
_ACCESS = {"m": 1, "r": 2, "w": 4}

# What the registers hold; 1 is the context, 0 the result.
_RESULT, _CONTEXT, _TYPE, _WANTED, _MAJOR, _MINOR = range(6)

# Opcodes: 32-bit arithmetic and jumps with an immediate operand.
_LOAD, _MOVE, _AND, _SHIFT_RIGHT, _EXIT = 0x61, 0xB4, 0x54, 0x74, 0x95
_JUMP, _JUMP_IF_ANY_BIT, _JUMP_UNLESS_EQUAL = 0x05, 0x46, 0x56


def device_program(rules: Sequence[object]) -> bytes:
    """The program for these rules of the spec, as an array of struct bpf_insn.

    It goes from the last rule to the first, and takes each wanted access off the list that a rule allows, until one is
    denied or none is left.
    """
    code = [
        _instruction(_LOAD, _TYPE, source=_CONTEXT, offset=0),
        _instruction(_AND, _TYPE, 0xFFFF),
        _instruction(_LOAD, _WANTED, source=_CONTEXT, offset=0),
        _instruction(_SHIFT_RIGHT, _WANTED, 16),
        _instruction(_LOAD, _MAJOR, source=_CONTEXT, offset=4),
        _instruction(_LOAD, _MINOR, source=_CONTEXT, offset=8),
    ]
    for rule in reversed(devices.check(rules)):
        code += _rule(rule)
    return b"".join(code)


def attach_device_program(cgroup_directory: int, program: bytes) -> None:
    """Load `program` and attach it to the v2 cgroup of this directory descriptor; it stays until the cgroup goes."""
    import os

    loaded = _libc.bpf_prog_load(_PROG_TYPE_CGROUP_DEVICE, program)
    try:
        _libc.bpf_prog_attach(cgroup_directory, loaded, _CGROUP_DEVICE, _ALLOW_MULTI)
    finally:
        os.close(loaded)


def _rule(rule: Rule) -> list[bytes]:
    """The conditions under which the rule is passed over, then its verdict."""
    verdict = [_instruction(_MOVE, _RESULT, int(rule.allow)), _instruction(_EXIT)]
    if rule.catch_all:
        return verdict
    access = sum([_ACCESS[letter] for letter in rule.access])
    everything = rule.access == devices.ALL
    if rule.allow and not everything:
        verdict = [
            _instruction(_AND, _WANTED, ~access & 0xFFFF),
            _instruction(_JUMP_UNLESS_EQUAL, _WANTED, 0, offset=len(verdict)),
            *verdict,
        ]
    elif not everything:
        verdict = [
            _instruction(_JUMP_IF_ANY_BIT, _WANTED, access, offset=1),
            _instruction(_JUMP, offset=len(verdict)),
            *verdict,
        ]
    conditions = [(_TYPE, _TYPES[rule.type]), (_MAJOR, rule.major), (_MINOR, rule.minor)]
    for register, number in reversed(conditions):
        if number is not None:
            verdict.insert(0, _instruction(_JUMP_UNLESS_EQUAL, register, number, offset=len(verdict)))
    return verdict


def _instruction(opcode: int, register: int = 0, immediate: int = 0, *, source: int = 0, offset: int = 0) -> bytes:
    return struct.pack("=BBhI", opcode, register | source << 4, offset, immediate)
