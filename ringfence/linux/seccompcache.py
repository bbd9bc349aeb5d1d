"""Compiled system call filters, kept in files: a start with a profile that is known needs no libseccomp.

Loading the library, and ctypes for it, costs a command 3 ms, and compiling docker's default profile as much again.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# To be raised when the same profile compiles to another program than before: the cache must not answer then. Another
# libseccomp is no reason: what an older one made still holds, and the cache does not outlive the machine's next start.
_COMPILER = 1
_last: tuple[str, dict[str, Any], bytes] | None = None


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
    from ringfence.linux.seccomp import compile_filter

    program = compile_filter(seccomp)
    _write(path, _sha256(program).digest() + program)
    return program


def _key(seccomp: dict[str, Any]) -> str:
    from ringfence import json

    described = json.dumps([seccomp, os.uname().machine, _COMPILER], sort_keys=True)
    return f"{_sha256(described.encode()).hexdigest()}.bpf"


def _sha256(data: bytes) -> Any:
    # hashlib itself loads OpenSSL: 3 ms on the way to every start, more than all the rest of a cache hit. To look for a
    # module that is not there costs as much.
    for module in ("_sha2" if sys.version_info >= (3, 12) else "_sha256", "hashlib"):
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
