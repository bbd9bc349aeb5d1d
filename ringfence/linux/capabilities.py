"""Capabilities (capabilities(7)): their names, numbers and sets, as the OCI spec and /proc show them."""

from __future__ import annotations

from ringfence.errors import InvalidInput
from ringfence.linux import files

# include/uapi/linux/capability.h; the index is the number.
NAMES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
)
_NUMBERS = {name: number for number, name in enumerate(NAMES)}
# The lines of /proc/PID/status and the spec's words for them (process.capabilities).
_SETS = {
    "CapInh": "inheritable",
    "CapPrm": "permitted",
    "CapEff": "effective",
    "CapBnd": "bounding",
    "CapAmb": "ambient",
}
_last: int | None = None


def parse(name: str) -> int:
    """The number of "CAP_NET_ADMIN", "net_admin", ...; InvalidInput if there is no such capability."""
    upper = name.upper()
    number = _NUMBERS.get(upper if upper.startswith("CAP_") else f"CAP_{upper}")
    if number is None:
        raise InvalidInput(f'unknown capability "{name}"')
    return number


def mask(names: list[str] | tuple[str, ...]) -> int:
    """The set of these capabilities as a bit mask."""
    bits = 0
    for name in names:
        bits |= 1 << parse(name)
    return bits


def names(mask: int) -> list[str]:
    """The names in a bit mask, by number; a capability newer than our table is called CAP_41 and so on."""
    return [
        NAMES[number] if number < len(NAMES) else f"CAP_{number}"
        for number in range(mask.bit_length())
        if mask >> number & 1
    ]


def last_cap() -> int:
    """The highest capability number that this kernel knows."""
    global _last
    if _last is None:
        with open("/proc/sys/kernel/cap_last_cap", encoding="ascii") as file:
            _last = int(file.read())
    return _last


def of(pid: int | str = "self") -> dict[str, int]:
    """The five sets of a process as bit masks: inheritable, permitted, effective, bounding, ambient."""
    lines = [line for line in files.read(f"/proc/{pid}/status").split("\n") if line.startswith("Cap")]
    fields = dict(line.split(":", 1) for line in lines)
    return {name: int(fields[key], 16) for key, name in _SETS.items()}
