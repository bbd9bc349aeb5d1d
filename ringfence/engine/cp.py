"""cp: files between a container and here, by docker's rules of what the copy is called and where it lands.

Both ends are read and written below a root: no link in a container leads to a file of ours. In between is a tar
archive, which is also what "-" reads and writes.
"""

from __future__ import annotations

import os
import stat

from ringfence.engine import repair, root, status
from ringfence.errors import InvalidInput, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from ringfence.engine import Engine
    from ringfence.engine.records import ContainerRecord
    from ringfence.engine.root import View
    from ringfence.linux.paths import Root


def cp(engine: Engine, source: str, target: str, *, archive: bool, follow_link: bool, stream: BinaryIO | None) -> None:
    """See Engine.cp. Exactly one of the two is CONTAINER:PATH."""
    from_name, from_path = split(source)
    to_name, to_path = split(target)
    if bool(from_name) == bool(to_name):
        raise InvalidInput("cp: exactly one of source and target must be CONTAINER:PATH")
    if "-" in (source, target) and stream is None:
        raise InvalidInput('cp: "-" needs a stream')
    record = repair.find(engine, from_name or to_name)
    if from_name:
        _out(engine, record, from_path, target, follow_link, archive, stream)
    else:
        _into(engine, record, source, to_path, follow_link, archive, stream)


def split(text: str) -> tuple[str, str]:
    """(container, path) of CONTAINER:PATH; ("", path) of a path here, which has a slash or dot before any colon."""
    container, colon, path = text.partition(":")
    if not colon or not container or text.startswith(("/", ".")) or "/" in container:
        return "", text
    return container, path or "/"


def placed(source: str, is_directory: bool, target: str, target_mode: int | None) -> tuple[str, str]:
    """(directory, name): where the copy goes, and what it is called there; name "" is a directory's content alone.

    `target_mode` is the target's st_mode, None if it does not exist. The rules are those of docker cp's manual.
    """
    content_only = source.endswith("/.") or source == "."
    name = os.path.basename(os.path.normpath(source)) if source.strip("/.") else ""
    if target_mode is None:
        if target.endswith("/") and not is_directory:
            raise NotFound(f"cp: the directory {target} does not exist")
        directory, new = os.path.split(os.path.normpath(target))
        return directory or ".", new
    if stat.S_ISDIR(target_mode):
        return target, "" if content_only and is_directory else name
    if is_directory or target.endswith("/"):
        raise InvalidInput(f"cp: {target} is not a directory")
    if not stat.S_ISREG(target_mode):  # a device would be replaced, for everybody who uses it
        raise InvalidInput(f"cp: {target} is neither a directory nor a regular file")
    directory, new = os.path.split(os.path.normpath(target))
    return directory or ".", new


def _out(engine: Engine, record: ContainerRecord, path: str, target: str, follow: bool, archive: bool,
         stream: BinaryIO | None) -> None:  # fmt: skip
    from ringfence.layers import extract, tree

    path = "/" + path.lstrip("/")
    with root.live(engine, record, status.of(engine, record)) as opened:
        is_directory = stat.S_ISDIR(_mode(opened, path, follow))
        if target == "-":
            assert stream is not None
            name = os.path.basename(os.path.normpath(path))
            tree.export(opened.fileno(), stream, path, name, follow=follow, owners=opened.owners)
            return
        directory, name = placed(path, is_directory, target, _here(target))
        if not os.path.isdir(directory):
            raise NotFound(f"cp: no such directory: {directory}")
        with _spool() as spool:
            tree.export(opened.fileno(), spool, path, name, follow=follow, owners=opened.owners)
            spool.seek(0)
            owner = None if archive else (os.geteuid(), os.getegid())
            extract.extract(spool, directory, owner=owner, replace_kinds=False)


def _into(engine: Engine, record: ContainerRecord, source: str, path: str, follow: bool, archive: bool,
          stream: BinaryIO | None) -> None:  # fmt: skip
    from ringfence.layers import tree

    path = "/" + path.lstrip("/")
    owner = None if archive else (0, 0)
    with root.writable(engine, record, status.of(engine, record)) as opened:
        if source == "-":
            assert stream is not None
            if not stat.S_ISDIR(_mode(opened, path, True)):
                raise InvalidInput(f"cp: {path} is not a directory in container {record.name}")
            _extract(stream, opened, path, None)
            return
        try:
            status_here = os.stat(source) if follow else os.lstat(source)
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound(f"cp: no such file or directory: {source}") from None
        is_directory = stat.S_ISDIR(status_here.st_mode)
        directory, name = placed(source, is_directory, path, _mode_or_none(opened, path))
        if _mode_or_none(opened, directory) is None:
            raise NotFound(f"cp: no such directory in container {record.name}: {directory}")
        with _spool() as spool:
            tree.export("/", spool, os.path.abspath(source), name, follow=follow)
            spool.seek(0)
            _extract(spool, opened, directory, owner)


def _extract(stream: BinaryIO, opened: View, directory: str, owner: tuple[int, int] | None) -> None:
    """Extract into a container; through its id mappings it is its own root who makes the files."""
    from ringfence.layers.extract import extract

    def work() -> None:
        extract(stream, opened.fileno(), directory, owner=owner, replace_kinds=False, owners=opened.owners)

    if opened.owners is None:
        work()
    else:
        from ringfence.linux.fsids import as_owner

        as_owner(*opened.owners.root(), work)


def _mode(opened: Root, path: str, follow: bool) -> int:
    try:
        return opened.stat(path, follow_symlinks=follow or path.endswith("/")).st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"cp: no such path in the container: {path}") from None


def _mode_or_none(opened: Root, path: str) -> int | None:
    try:
        return opened.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def _here(path: str) -> int | None:
    try:
        return os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def _spool() -> BinaryIO:
    """What is copied, while both ends are not yet known to agree: in memory if it is small, else a nameless file."""
    import tempfile

    return tempfile.SpooledTemporaryFile(max_size=16 << 20)  # type: ignore[return-value]
