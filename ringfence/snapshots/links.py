"""The records of a snapshotter: a directory of symlinks that `ls -l` shows whole, changed by single system calls.

    <data>/snapshots/<driver>/
        active/KEY      -> ../l/x              an active snapshot and its tree
        committed/NAME  -> ../l/x              a committed one: `commit` is the rename from active/ to here
        view/KEY        -> ../committed/NAME
        parents/x       -> ../committed/NAME   absent if the tree was made from nothing
        l/x/                                   the tree; x is short, for lowerdir strings (mount(2) takes one page)
        w/x/                                   overlay's workdir, while active
        lock                                   shared: parents may not vanish; exclusive: commit, remove a parent, sweep

A tree is made before, and removed after, the link that names it: what a crash leaves is a tree that nothing names.
"""

from __future__ import annotations

import fcntl
import os

from ringfence.errors import Conflict, InvalidInput, NotFound
from ringfence.linux.trees import remove_tree, unless_gone
from ringfence.snapshots import Snapshot, Usage
from ringfence.snapshots.trees import disk_usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.linux.mounts import Mount
    from ringfence.snapshots import Kind

_KINDS: tuple[Kind, ...] = ("active", "committed", "view")
_MOST_SLIGHT = 8  # directories: an image without any gets five for what is mounted by default
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


class LinkedSnapshots:
    """All of `Snapshotter` but `mounts` and how a tree is filled, which a driver adds."""

    driver: str
    stacks: bool

    def __init__(self, data_dir: str) -> None:
        self.directory = os.path.join(data_dir, "snapshots", self.driver)
        self._unnamed: list[str] = []  # trees that `clear` removes, or our end
        self._ready: list[tuple[int, str, str]] = []  # at most one: whose it is, its tree, its parent
        self._cleared_at_end = False

    def _fill(self, tree: str, parent: str) -> None:
        """Give the new, empty directory `tree` what an active snapshot of `parent` starts with."""
        raise NotImplementedError

    def mounts(self, key: str) -> list[Mount]:
        raise NotImplementedError

    def prepare(self, key: str, parent: str = "") -> list[Mount]:
        _check_key(key)
        with self._lock(fcntl.LOCK_SH):
            self._check_free(key)
            if parent:
                self._check_parent(parent)
            name = self._ready_tree(parent) or self._filled_tree(parent)
            try:
                self._link("active", key, f"../l/{name}")
            except BaseException:
                self._discard(name)
                raise
        return self.mounts(key)

    def _filled_tree(self, parent: str) -> str:
        name = self._new_tree()
        try:
            if parent:
                os.symlink(f"../committed/{parent}", f"{self.directory}/parents/{name}")
            self._fill(f"{self.directory}/l/{name}", parent)
        except BaseException:
            self._discard(name)
            raise
        return name

    def get_ready(self, parent: str) -> None:
        if not self.stacks or not parent or self._ready:
            return
        try:
            with self._lock(fcntl.LOCK_SH):
                self._check_parent(parent)
                name = self._filled_tree(parent)
        except OSError:  # a full disk: whoever asks for a snapshot is told, if it is still so
            return
        self._ready.append((os.getpid(), name, parent))
        self._clear_at_end()

    def _ready_tree(self, parent: str) -> str:
        """The tree that `get_ready` has made for it, if it is there; under the lock, so that no sweep is at it."""
        try:
            process, name, of = self._ready.pop()  # one step, also where several threads ask
        except IndexError:
            return ""
        if process != os.getpid():  # we are a child that was forked
            return ""
        if of != parent or not all(os.path.isdir(f"{self.directory}/{part}/{name}") for part in "lw"):
            self._unnamed.append(name)
            return ""
        return name

    def adopt(self, key: str, parent: str, *, root: bool) -> None:
        if not self.stacks:
            raise Conflict(f"the snapshotter {self.driver} copies the parent's files: it must be there first")
        with self._lock(fcntl.LOCK_SH):
            if self.kind(key) != "active" or self.parent(key):
                raise Conflict(f"snapshot {key} has a parent, or is not active")
            self._check_parent(parent)
            tree = self._tree(key)
            os.symlink(f"../committed/{parent}", f"{self.directory}/parents/{tree}")
            if root:
                self._like_root(f"{self.directory}/l/{tree}", parent)

    def _like_root(self, tree: str, parent: str) -> None:
        """The merged root directory has upper's attributes, not lower's: so make them the same."""
        status = os.stat(self.layer_path(parent))
        os.chown(tree, status.st_uid, status.st_gid)
        os.chmod(tree, status.st_mode & 0o7777)

    def view(self, key: str, parent: str) -> list[Mount]:
        _check_key(key)
        with self._lock(fcntl.LOCK_SH):
            self._check_free(key)
            self._check_parent(parent)
            self._link("view", key, f"../committed/{parent}")
        return self.mounts(key)

    def commit(self, name: str, key: str) -> None:
        _check_key(name)
        with self._lock(fcntl.LOCK_EX):
            if self.kind(key) != "active":
                raise Conflict(f"snapshot {key} is not active: it cannot be committed")
            if name != key:
                self._check_free(name)
            tree = self._tree(key)
            os.rename(f"{self.directory}/active/{key}", f"{self.directory}/committed/{name}")
        remove_tree(f"{self.directory}/w/{tree}")

    def replace(self, name: str, key: str) -> None:
        with self._lock(fcntl.LOCK_EX):
            if self.kind(key) != "active" or self.kind(name) != "committed":
                raise Conflict(f"snapshot {key} cannot take the place of {name}")
            new, old = self._tree(key), self._tree(name)
            os.rename(f"{self.directory}/active/{key}", f"{self.directory}/committed/{name}")
        remove_tree(f"{self.directory}/w/{new}")
        self._discard(old)

    def remove(self, key: str, *, missing_ok: bool = False, later: bool = False) -> None:
        try:
            kind = self.kind(key)
        except NotFound:
            if missing_ok:
                return
            raise
        if kind != "committed":
            tree = "" if kind == "view" else self._tree(key)
            os.unlink(f"{self.directory}/{kind}/{key}")
        else:
            with self._lock(fcntl.LOCK_EX):
                child = self._child(key)
                if child:
                    raise Conflict(f"snapshot {key} is the parent of {child}")
                tree = self._tree(key)
                os.unlink(f"{self.directory}/committed/{key}")
        if tree and later and _is_slight(f"{self.directory}/l/{tree}"):
            self._leave(tree)
        elif tree:
            self._discard(tree)

    def clear(self) -> None:
        _clear_all(self.directory, self._unnamed, self._ready)

    def _leave(self, tree: str) -> None:
        self._unnamed.append(tree)
        self._clear_at_end()

    def _clear_at_end(self) -> None:
        if not self._cleared_at_end:
            import weakref

            self._cleared_at_end = True
            weakref.finalize(self, _clear_all, self.directory, self._unnamed, self._ready)

    def exists(self, key: str) -> bool:
        return "/" not in key and any(os.path.islink(f"{self.directory}/{kind}/{key}") for kind in _KINDS)

    def kind(self, key: str) -> Kind:
        for kind in _KINDS:
            if "/" not in key and os.path.islink(f"{self.directory}/{kind}/{key}"):
                return kind
        raise NotFound(f"no such snapshot: {key}")

    def parent(self, key: str) -> str:
        kind = self.kind(key)
        link = f"view/{key}" if kind == "view" else f"parents/{self._tree(key)}"
        return _target(f"{self.directory}/{link}")

    def usage(self, key: str) -> Usage:
        return Usage(0, 0) if self.kind(key) == "view" else disk_usage(f"{self.directory}/l/{self._tree(key)}")

    def walk(self) -> Iterator[Snapshot]:
        for kind in _KINDS:
            for key in sorted(_names(f"{self.directory}/{kind}")):
                link = f"view/{key}" if kind == "view" else f"parents/{_target(f'{self.directory}/{kind}/{key}')}"
                yield Snapshot(key, kind, _target(f"{self.directory}/{link}"))

    def upper(self, key: str) -> str:
        if self.kind(key) != "active":
            raise Conflict(f"snapshot {key} is not active: it has no upper directory")
        return f"{self.directory}/l/{self._tree(key)}"

    def layer_path(self, name: str) -> str:
        if self.kind(name) != "committed":
            raise NotFound(f"no such committed snapshot: {name}")
        return f"{self.directory}/l/{self._tree(name)}"

    def sweep(self) -> int:
        with self._lock(fcntl.LOCK_EX):
            active, committed = (
                {_target(f"{self.directory}/{kind}/{key}") for key in _names(f"{self.directory}/{kind}")}
                for kind in ("active", "committed")
            )
            found = {name for part in ("l", "w", "parents") for name in _names(f"{self.directory}/{part}")}
            unnamed = found - active - committed
            for name in unnamed:
                self._discard(name)
            for name in committed.intersection(_names(f"{self.directory}/w")):  # a crash right after the commit
                remove_tree(f"{self.directory}/w/{name}")
        return len(unnamed)

    def _ancestors(self, key: str) -> list[str]:
        """The trees below the snapshot's own, top first."""
        trees = []
        parent = self.parent(key)
        while parent:
            tree = _target(f"{self.directory}/committed/{parent}")
            trees.append(f"{self.directory}/l/{tree}")
            parent = _target(f"{self.directory}/parents/{tree}")
        return trees

    def _tree(self, key: str) -> str:
        """The short name of the tree of an active or committed snapshot."""
        for kind in ("active", "committed"):
            tree = _target(f"{self.directory}/{kind}/{key}")
            if tree:
                return tree
        raise NotFound(f"no such snapshot: {key}")

    def _new_tree(self) -> str:
        while True:
            name = "".join(_ALPHABET[byte & 31] for byte in os.urandom(6))
            try:
                os.mkdir(f"{self.directory}/l/{name}")
            except FileExistsError:
                continue
            return name

    def _discard(self, name: str) -> None:
        _clear(self.directory, [name])

    def _link(self, kind: Kind, key: str, target: str) -> None:
        try:
            os.symlink(target, f"{self.directory}/{kind}/{key}")
        except FileExistsError:
            raise Conflict(f"snapshot {key} exists already") from None

    def _check_free(self, key: str) -> None:
        if self.exists(key):
            raise Conflict(f"snapshot {key} exists already")

    def _check_parent(self, parent: str) -> None:
        if "/" not in parent and os.path.islink(f"{self.directory}/committed/{parent}"):
            return
        if not self.exists(parent):
            raise NotFound(f"no such parent snapshot: {parent}")
        raise Conflict(f"snapshot {parent} is not committed: it cannot be a parent")

    def _child(self, name: str) -> str:
        for key in _names(f"{self.directory}/view"):
            if _target(f"{self.directory}/view/{key}") == name:
                return f"the view {key}"
        children = {t for t in _names(f"{self.directory}/parents") if _target(f"{self.directory}/parents/{t}") == name}
        if not children:
            return ""
        for snapshot in self.walk():
            if snapshot.kind != "view" and self._tree(snapshot.key) in children:
                return snapshot.key
        return ""  # only trees that a crash left

    def _lock(self, kind: int) -> _Lock:
        try:
            return _Lock(f"{self.directory}/lock", kind)
        except FileNotFoundError:
            for part in ("l", "w", "parents", *_KINDS):
                os.makedirs(f"{self.directory}/{part}", exist_ok=True)
            os.chmod(self.directory, 0o700)  # layers hold other systems' setuid files: not for this host's users
            return _Lock(f"{self.directory}/lock", kind, os.O_CREAT)


class _Lock:
    """flock on the driver's lock file, for a `with` block; the kernel releases it when its holder dies."""

    def __init__(self, path: str, kind: int, flags: int = 0) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | flags, 0o600)
        self._kind = kind

    def __enter__(self) -> None:
        fcntl.flock(self._fd, self._kind)

    def __exit__(self, *exception: object) -> None:
        os.close(self._fd)


def _check_key(key: str) -> None:
    if not key or "/" in key or "\0" in key or key in (".", "..") or len(os.fsencode(key)) > 255:
        raise InvalidInput(f"snapshot key {key!r} must be a file name")


def _target(link: str) -> str:
    """The last component of a symlink's target; "" if there is no such link."""
    try:
        return os.readlink(link).rpartition("/")[2]
    except FileNotFoundError:
        return ""


def _clear(directory: str, trees: list[str]) -> None:
    """Remove trees that no link names any more; the parent link of each goes last, for `sweep` to find the rest by."""
    while trees:
        name = trees.pop()
        remove_tree(f"{directory}/w/{name}")
        remove_tree(f"{directory}/l/{name}")
        unless_gone(os.unlink, f"{directory}/parents/{name}")  # none for a tree made from nothing


def _clear_all(directory: str, unnamed: list[str], ready: list[tuple[int, str, str]]) -> None:
    while ready:
        process, name, _parent = ready.pop()
        if process == os.getpid():  # else it is the one's that we were forked from
            unnamed.append(name)
    _clear(directory, unnamed)


def _is_slight(tree: str) -> bool:
    """Whether a tree is but a few directories and empty files, as those which a container's mounts need."""
    pending = [tree]
    try:
        for directory in pending:
            with os.scandir(directory) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False) and len(pending) < _MOST_SLIGHT:
                        pending.append(entry.path)
                    elif entry.stat(follow_symlinks=False).st_size:
                        return False
    except (FileNotFoundError, PermissionError):  # a sweep is at it; it is a container's user's
        return False
    return True


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []
