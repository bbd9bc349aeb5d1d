"""An ordinary user's containers: every command first enters a user namespace in which that user is root.

    the user, uid 1000 ── newuidmap ──► user namespace: 0 → 1000, 1..65536 → the user's subordinate ids
                                          ├ ringinit-holder   keeps it, so that all commands are in the same one
                                          ├ a command         in a mount namespace of its own: a fresh view of the host
                                          └ monitors and containers

Inside, mounting, chown and setns are allowed, and what is written belongs to mapped ids; a command costs two system
calls more than root's. `directory` below is the user's runtime directory: its files `userns` (the holder's pid and
start time) and `userns.lock` are shared by `ringfence` and `ringrun`. See user_namespaces(7), newuidmap(1), subuid(5).
"""

from __future__ import annotations

import errno
import os
import stat

from ringfence.errors import Denied, Failed, Unsupported
from ringfence.linux import _libc, namespaces, processes
from ringfence.linux.namespaces import Clone

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    Rows = list[tuple[int, int, int]]

_PR_SET_DUMPABLE = 4  # prctl(2)
_HOLDER = "userns"


_entered_by = 0


def user() -> int:
    """The uid of the user whose containers these are: our own, or, once we are root of its namespace, that one's."""
    return _entered_by or os.geteuid()


def entered() -> bool:
    """Whether `enter` has been here."""
    return bool(_entered_by)


def runtime_directory(name: str, given: str = "") -> str:
    """Where the user's `name` keeps what a reboot may forget: below `given` (XDG_RUNTIME_DIR), else where podman would.

    That is /run/user/UID if it is there, else a directory in /tmp. Denied unless it belongs to the user alone: another
    user who could write there would steer our containers.
    """
    uid = user()
    if given:
        return f"{_private(given)}/{name}"
    if os.path.isdir(f"/run/user/{uid}"):
        return f"{_private(f'/run/user/{uid}')}/{name}"
    directory = f"/tmp/{name}-run-{uid}"
    try:
        os.mkdir(directory, 0o700)
    except FileExistsError:
        _private(directory)
    return directory


def _private(directory: str) -> str:
    try:
        status = os.lstat(directory)
    except FileNotFoundError:
        raise Denied(f"the runtime directory {directory} does not exist", hint="unset XDG_RUNTIME_DIR") from None
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        hint = "it must be a directory that nobody else may write to; see XDG_RUNTIME_DIR"
        raise Denied(f"the runtime directory {directory} does not belong to uid {os.geteuid()} alone", hint=hint)
    return directory


def enter(directory: str, containers: str) -> list[str]:
    """Enter the user's namespace, which is made if nobody holds one; returns warnings, one line each.

    `containers` is where the containers' records are: where the holder was killed and containers live on, theirs is
    entered. Only a process with one thread can (EINVAL, setns(2)); then it is uid 0 with all capabilities in there.
    """
    global _entered_by
    warnings: list[str] = []
    uid = os.geteuid()
    namespace = _recorded(f"{directory}/{_HOLDER}")
    if namespace is None:
        namespace = _find_or_make(directory, containers, warnings)
    else:
        _join(namespace)
    os.close(namespace)
    _entered_by = uid
    namespaces.unshare(Clone.NEWNS)  # from another user namespace, it is a slave of the host's: mount_namespaces(7)
    _libc.prctl(_PR_SET_DUMPABLE, 1)  # setns(2) cleared it; the helper opens descriptors through our /proc/PID/fd
    return warnings


def _join(namespace: int) -> None:
    try:
        _libc.setns(namespace, Clone.NEWUSER)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise Unsupported("a process with several threads cannot enter its user's namespace",
                          hint="enter it before any thread is started") from None  # fmt: skip


def _recorded(path: str) -> int | None:
    """The user namespace of the first live process of a record (pairs of pid and start time), held open; or None."""
    try:
        with open(path) as file:
            words = file.read().split()
    except FileNotFoundError:
        return None
    for pid, began in reversed(list(zip(words[::2], words[1::2], strict=False))):  # a container's monitor comes last
        try:
            namespace = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # it has ended, or the pid is another user's by now
            continue
        if processes.alive(int(pid), int(began)):
            return namespace
        os.close(namespace)
    return None


def _find_or_make(directory: str, containers: str, warnings: list[str]) -> int:
    import fcntl

    os.makedirs(directory, 0o700, exist_ok=True)
    lock = os.open(f"{directory}/{_HOLDER}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        namespace = _recorded(f"{directory}/{_HOLDER}")
        if namespace is not None:  # another command has made it while we waited
            _join(namespace)
            return namespace
        namespace = _of_containers(containers)
        if namespace is not None:
            _join(namespace)
            _hold("keep", directory, None)
            return namespace
        uids, gids = _mappings(warnings)
        return _hold("hold", directory, (uids, gids))
    finally:
        os.close(lock)


def _of_containers(containers: str) -> int | None:
    """The namespace that a container's monitor lives in."""
    from ringfence.runtime.facts import PID_FILE

    own = namespaces.inode("self", "user")
    for id in os.listdir(containers) if os.path.isdir(containers) else ():
        namespace = _recorded(f"{containers}/{id}/{PID_FILE}")
        if namespace is None:
            continue
        if os.fstat(namespace).st_ino != own:
            return namespace
        os.close(namespace)
    return None


def _mappings(warnings: list[str]) -> tuple[Rows, Rows]:
    """The rows (inside, outside, size) for uids and gids: the user's own id as 0, then the subordinate ones."""
    import pwd

    from ringfence.linux import idmap

    uid, gid = os.geteuid(), os.getegid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    found = []
    for path, own in (("/etc/subuid", uid), ("/etc/subgid", gid)):
        rows, next = [(0, own, 1)], 1
        for one in idmap.subordinate(path, name, uid):
            rows.append((next, one.start, one.size))
            next += one.size
        found.append(rows)
        if next == 1:
            warnings.append(f"{path} has no subordinate ids for {name}: containers have no user but root")
            return [(0, uid, 1)], [(0, gid, 1)]
    return found[0], found[1]


def _hold(role: str, directory: str, maps: tuple[Rows, Rows] | None) -> int:
    """Start a holder, map its ids, put it on record, and enter; its user namespace, open.

    Killed anywhere in between, we leave nothing: the holder ends unless it is told that it is on record.
    """
    import socket

    from ringfence.runtime import helper

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with theirs:
            actions = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), theirs.fileno())]
            pid = os.posix_spawn(helper.path(), ["ringinit", role, str(theirs.fileno())], {}, file_actions=actions,
                                 setsid=True)  # fmt: skip
        _check(ours)
        if maps is not None:
            _map(pid, *maps)
        namespace = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        temporary = f"{directory}/{_HOLDER}.new"
        with open(temporary, "w") as file:
            file.write(f"{pid} {processes.start_time(pid)}\n")
        os.rename(temporary, f"{directory}/{_HOLDER}")
        ours.send(b"1")
    if maps is not None:
        _join(namespace)
    return namespace


def _check(holder: socket.socket) -> None:
    """Hear whether it has made its namespace."""
    answer = holder.recv(4)
    code = int.from_bytes(answer, "little") if answer else errno.ECHILD
    if code:
        raise Denied(f"cannot make a user namespace: {os.strerror(code).lower()}",
                     hint="see user.max_user_namespaces and kernel.unprivileged_userns_clone, sysctl(8)")  # fmt: skip


def _map(pid: int, uids: Rows, gids: Rows) -> None:
    if len(uids) == len(gids) == 1:  # one's own id may be mapped without anybody's help, if groups are then kept
        for file, text in (("setgroups", "deny"), ("uid_map", _text(uids)), ("gid_map", _text(gids))):
            with open(f"/proc/{pid}/{file}", "w") as map:
                map.write(text)
        return
    for program, rows in (("newuidmap", uids), ("newgidmap", gids)):
        _run([program, str(pid), *_text(rows).split()])


def _text(rows: Rows) -> str:
    return "\n".join(f"{inside} {outside} {size}" for inside, outside, size in rows)


def _run(argv: list[str]) -> None:
    """Run newuidmap or newgidmap; Failed with its own words."""
    reader, writer = os.pipe()
    with open(reader, encoding="utf-8", errors="replace") as output:
        try:
            pid = os.posix_spawnp(argv[0], argv, {}, file_actions=[(os.POSIX_SPAWN_DUP2, writer, 2)])
        except FileNotFoundError:
            raise Unsupported(f"the program {argv[0]} is missing", hint="install uidmap (Debian), shadow") from None
        finally:
            os.close(writer)
        words = " ".join(output.read().split())
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
        raise Failed(words or f"{argv[0]} failed", hint="see /etc/subuid and /etc/subgid, subuid(5)")
