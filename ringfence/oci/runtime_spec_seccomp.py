"""linux.seccomp of config.json, and the values its properties may have: see runtime_spec_fields.py."""

from __future__ import annotations

from ringfence.oci.runtime_spec_fields import words
from ringfence.oci.shape import UINT64, array, filled, integer, one_of, record, string, text

SECCOMP_ACTIONS = words("SCMP_ACT_", "KILL KILL_PROCESS KILL_THREAD TRAP ERRNO TRACE ALLOW LOG NOTIFY")
SECCOMP_OPERATORS = words("SCMP_CMP_", "NE LT LE EQ GE GT MASKED_EQ")
SECCOMP_ARCHITECTURES = words(
    "SCMP_ARCH_",
    "X86 X86_64 X32 ARM AARCH64 MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 PPC PPC64 PPC64LE S390 S390X "
    "PARISC PARISC64 RISCV64 LOONGARCH64 M68K SH SHEB",
)
SECCOMP_FLAGS = words("SECCOMP_FILTER_FLAG_", "TSYNC LOG SPEC_ALLOW WAIT_KILLABLE_RECV")

SECCOMP = record(
    {
        "defaultAction": one_of("seccomp action", SECCOMP_ACTIONS),
        "defaultErrnoRet": integer(0, 4095),
        "architectures": array(one_of("seccomp architecture", SECCOMP_ARCHITECTURES)),
        "flags": array(one_of("seccomp flag", SECCOMP_FLAGS)),
        "listenerPath": text,
        "listenerMetadata": string,
        "syscalls": array(
            record(
                {
                    "names": array(filled, at_least=1),
                    "action": one_of("seccomp action", SECCOMP_ACTIONS),
                    "errnoRet": integer(0, 4095),
                    "args": array(
                        record(
                            {
                                "index": integer(0, 5),
                                "value": UINT64,
                                "valueTwo": UINT64,
                                "op": one_of("seccomp operator", SECCOMP_OPERATORS),
                            },
                            required=("index", "value", "op"),
                        )
                    ),
                },
                required=("names", "action"),
            )
        ),
    },
    required=("defaultAction",),
)
