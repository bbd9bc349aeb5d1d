"""libseccomp, the library, bound by ctypes: a filter is built rule by rule and exported as the kernel's BPF.

The functions return a negative errno, which is raised as OSError with a note of the call (seccomp_rule_add(3), ...).
"""

from __future__ import annotations

import ctypes
import errno
import os
from ctypes import c_char_p, c_int, c_uint, c_uint32, c_uint64, c_void_p

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Any, Self

    from ringfence.linux.seccompprofile import Condition

_LIBRARY = ctypes.CDLL("libseccomp.so.2")
_OPTIMIZE = 8  # SCMP_FLTATR_CTL_OPTIMIZE
_BINARY_TREE = 2
_UNKNOWN = -1  # __NR_SCMP_ERROR


class ArgumentComparison(ctypes.Structure):
    """struct scmp_arg_cmp."""

    _fields_ = (("argument", c_uint), ("operator", c_int), ("datum_a", c_uint64), ("datum_b", c_uint64))


class _Version(ctypes.Structure):
    """struct scmp_version."""

    _fields_ = (("major", c_uint), ("minor", c_uint), ("micro", c_uint))


def _function(name: str, result: Any, *types: Any) -> Any:
    function = _LIBRARY[name]
    function.restype = result
    function.argtypes = types
    return function


_version = _function("seccomp_version", ctypes.POINTER(_Version))
_arch_native = _function("seccomp_arch_native", c_uint32)
_arch_resolve_name = _function("seccomp_arch_resolve_name", c_uint32, c_char_p)
_syscall_resolve_name = _function("seccomp_syscall_resolve_name", c_int, c_char_p)
_syscall_resolve_name_arch = _function("seccomp_syscall_resolve_name_arch", c_int, c_uint32, c_char_p)
_init = _function("seccomp_init", c_void_p, c_uint32)
_release = _function("seccomp_release", None, c_void_p)
_attr_set = _function("seccomp_attr_set", c_int, c_void_p, c_int, c_uint32)
_arch_add = _function("seccomp_arch_add", c_int, c_void_p, c_uint32)
_arch_remove = _function("seccomp_arch_remove", c_int, c_void_p, c_uint32)
_rule_add_array = _function(
    "seccomp_rule_add_array", c_int, c_void_p, c_uint32, c_int, c_uint, ctypes.POINTER(ArgumentComparison)
)
_export_bpf = _function("seccomp_export_bpf", c_int, c_void_p, c_int)


def version() -> tuple[int, int, int]:
    """The version of the library that is loaded."""
    found = _version().contents
    return found.major, found.minor, found.micro


def native() -> int:
    """The token of the architecture that we run on."""
    return int(_arch_native())


def architecture(name: str) -> int:
    """The token of "x86_64", "x32", "aarch64", ...; 0 if this version of the library does not know it."""
    return int(_arch_resolve_name(name.encode()))


def system_call(name: str, architecture: int = 0) -> int | None:
    """Its number, on this machine or on another architecture; None if the library never heard of it.

    Below -1 is a number that the library made up for a system call that this architecture does not have as such.
    """
    if not name.isascii() or "\0" in name:
        return None  # what C would read of it may be another's name
    encoded = name.encode()
    number = _syscall_resolve_name_arch(architecture, encoded) if architecture else _syscall_resolve_name(encoded)
    return None if number == _UNKNOWN else int(number)


class Filter:
    """A filter under construction for one native architecture and those that are added."""

    __slots__ = ("_context",)

    def __init__(self, default_action: int, native_architecture: int) -> None:
        self._context = _init(default_action)
        if not self._context:
            raise OSError(errno.EINVAL, f"seccomp_init({default_action:#x}) failed")
        if native_architecture != native():
            self.add_architecture(native_architecture)
            _check(_arch_remove(self._context, native()), "seccomp_arch_remove")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _release(self._context)

    def add_architecture(self, token: int) -> None:
        """FileExistsError if it is there already; OSError EDOM if its byte order is another."""
        _check(_arch_add(self._context, token), "seccomp_arch_add", token)

    def add_rule(self, action: int, system_call: int, conditions: Sequence[Condition]) -> None:
        """All conditions must hold, each about another argument; the action must not be the default one (EACCES)."""
        array = (ArgumentComparison * len(conditions))(
            *(
                ArgumentComparison(condition.index, condition.operator, condition.value, condition.value_two)
                for condition in conditions
            )
        )
        result = _rule_add_array(self._context, action, system_call, len(conditions), array)
        _check(result, "seccomp_rule_add_array", action, system_call, len(conditions))

    def use_binary_tree(self) -> None:
        """Find system calls by bisection instead of one after the other (libseccomp 2.5)."""
        _check(_attr_set(self._context, _OPTIMIZE, _BINARY_TREE), "seccomp_attr_set", _OPTIMIZE, _BINARY_TREE)

    def export(self) -> bytes:
        """The program: an array of struct sock_filter."""
        descriptor = os.memfd_create("seccomp")
        try:
            _check(_export_bpf(self._context, descriptor), "seccomp_export_bpf")
            return os.pread(descriptor, os.fstat(descriptor).st_size, 0)
        finally:
            os.close(descriptor)


def _check(result: int, name: str, *arguments: int) -> None:
    if result < 0:
        error = OSError(-result, os.strerror(-result))
        error.add_note(f"{name}({', '.join(hex(argument) for argument in arguments)})")
        raise error
