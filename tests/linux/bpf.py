"""A classic BPF interpreter for seccomp filters: what the kernel would answer to a system call (an oracle for tests).

Documentation/userspace-api/seccomp_filter.rst, linux/filter.h; of what seccomp(2) admits, what libseccomp emits.
"""

from __future__ import annotations

import struct

ARCHITECTURES = {"x86_64": 0xC000003E, "x86": 0x40000003, "aarch64": 0xC00000B7, "riscv64": 0xC00000F3}


def answer(program: bytes, architecture: int, number: int, *arguments: int) -> int:
    """The 32 bits that the filter returns."""
    padded = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("=IIQ6Q", number, architecture, 0, *padded)
    instructions = list(struct.iter_unpack("=HBBI", program))
    accumulator = index = 0
    memory: dict[int, int] = {}
    at = 0
    while True:
        code, true, false, value = instructions[at]
        at += 1
        match code:
            case 0x20:  # LD W ABS
                [accumulator] = struct.unpack_from("=I", data, value)
            case 0x60:  # LD MEM
                accumulator = memory[value]
            case 0x02:  # ST
                memory[value] = accumulator
            case 0x61:  # LDX MEM
                index = memory[value]
            case 0x54:  # AND K
                accumulator &= value
            case 0x07:  # TAX
                index = accumulator
            case 0x87:  # TXA
                accumulator = index
            case 0x05:  # JA
                at += value
            case 0x15:
                at += true if accumulator == value else false
            case 0x25:
                at += true if accumulator > value else false
            case 0x35:
                at += true if accumulator >= value else false
            case 0x45:
                at += true if accumulator & value else false
            case 0x06:  # RET K
                return int(value)
            case _:
                raise AssertionError(f"instruction {at - 1}: unknown code {code:#x}")
