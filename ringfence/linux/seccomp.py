"""System call filters (seccomp(2)): a profile of the OCI spec compiled by libseccomp, cached, and loaded."""

from __future__ import annotations

import errno
import os

from ringfence.errors import InvalidInput
from ringfence.linux import _libc, _libseccomp
from ringfence.linux.seccompenosys import enosys_for_newer
from ringfence.linux.seccompprofile import ACTIONS, ARCHITECTURES, FLAGS, OPERATORS, Profile, flags, notifies, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "ACTIONS",
    "ARCHITECTURES",
    "FLAGS",
    "OPERATORS",
    "add_rules",
    "cached_filter",
    "compile_filter",
    "flags",
    "load",
    "notifies",
]

# To be raised when the same profile compiles to another program than before: the cache must not answer then.
_COMPILER = 1
# The library's names for what `uname -m` calls otherwise.
_MACHINES = {"i386": "x86", "i686": "x86", "armv7l": "arm", "armv8l": "arm"}
_MOST_INSTRUCTIONS = 4096
# Below this a tree is no faster, and libseccomp before 2.5.4 loses the default action of an empty one (its issue 370).
_FEWEST_RULES_FOR_TREE = 8
_INSTRUCTION_SIZE = 8  # struct sock_filter
_last: tuple[str, dict[str, Any], bytes] | None = None


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


def cached_filter(seccomp: dict[str, Any], cache_dir: str) -> bytes:
    """The same for this machine from `cache_dir` if it is there, else compiled and kept there for the next time.

    A file is the digest of the program and the program: one that a crash or a full disk cut short is made anew. A
    process that starts one container after the other finds the last profile's program in its memory.
    """
    global _last
    if _last is None or _last[0] != cache_dir or _last[1] != seccomp:
        from ringfence import json

        _last = (cache_dir, json.loads(json.dumps(seccomp)), _from_file(seccomp, cache_dir))  # theirs may change
    return _last[2]


def _from_file(seccomp: dict[str, Any], cache_dir: str) -> bytes:
    path = os.path.join(cache_dir, _key(seccomp))
    try:
        with open(path, "rb", buffering=0) as file:
            content = file.readall()
        program = content[32:]
        if program and _sha256(program).digest() == content[:32]:
            return program
    except FileNotFoundError:
        pass
    program = compile_filter(seccomp)
    _write(path, _sha256(program).digest() + program)
    return program


def load(program: bytes, flags: int = 0) -> int:
    """Put the calling thread under a filter; returns 0, or the listener's descriptor if `flags` has NEW_LISTENER.

    Without CAP_SYS_ADMIN in its user namespace the thread must have given up new privileges first (EACCES).
    """
    return _libc.seccomp_set_filter(program, flags)


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


def _key(seccomp: dict[str, Any]) -> str:
    from ringfence import json

    described = json.dumps([seccomp, _libseccomp.version(), os.uname().machine, _COMPILER], sort_keys=True)
    return f"{_sha256(described.encode()).hexdigest()}.bpf"


def _sha256(data: bytes) -> Any:
    # hashlib itself loads OpenSSL: 3 ms on the way to every start, more than all the rest of a cache hit.
    for module in ("_sha2", "_sha256", "hashlib"):
        try:
            return __import__(module).sha256(data)
        except ImportError:
            continue
    raise AssertionError("unreachable: hashlib is part of Python")


def _write(path: str, content: bytes) -> None:
    os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    temporary = f"{path}.{os.getpid()}.{os.urandom(4).hex()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb", buffering=0) as file:
            file.write(content)
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
