"""The files of an image archive or directory, by path: documents to be read, blobs to be stored.

An archive is read once, front to back, so it may come from a pipe: blobs go to the content store as they pass, small
files stay in memory. Nothing is written below any path that the archive names; its names are only looked up.
"""

from __future__ import annotations

import os
import posixpath
import stat

from ringfence.content.store import Blob, chunks
from ringfence.errors import Corrupt, Denied, Failed, InvalidInput
from ringfence.oci.digest import is_digest, printable
from ringfence.oci.image_spec import LARGEST_DOCUMENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, Protocol

    from ringfence.content.store import ContentStore
    from ringfence.layers.tar_reader import TarReader
    from ringfence.oci.digest import Source
else:
    Protocol = object

_SMALL = 1 << 20  # bytes of a file that is kept in memory
_ALL_SMALL = 64 << 20  # bytes of all of them; further ones are stored
_MOST_ENTRIES = 100_000
_MOST_LINKS = 8


class Tree(Protocol):
    """What `layout` and `docker_archive` need; paths are relative, with `/`."""

    subject: str
    """What it is called in messages."""

    def document(self, path: str) -> bytes | None:
        """The content of a small file, None if there is no such file."""

    def blob(self, path: str, digest: str | None = None) -> Blob | None:
        """The file as a blob of the content store, Corrupt if not of that digest; None if there is no such file."""


class ArchiveTree:
    """The files of a tar archive, which is read wholly when this is made."""

    def __init__(self, content: ContentStore, archive: Source, subject: str) -> None:
        from ringfence.layers.tar_reader import TarReader

        self.subject = subject
        self._content = content
        self._links: dict[str, str] = {}
        self._small: dict[str, bytes] = {}
        self._blobs: dict[str, Blob] = {}
        self._in_memory = 0
        try:
            self._read(TarReader(archive))
        except Corrupt as error:
            raise Corrupt(f"{subject}: {error.what}") from None

    def _read(self, reader: TarReader) -> None:
        from ringfence.layers.tar import FILE, LINK, SYMLINK

        seen: set[str] = set()
        for member in reader:
            name = os.fsdecode(member.name)
            path = self._inside(name, "")
            if member.type not in (FILE, LINK, SYMLINK):
                continue  # directories say nothing, and devices cannot be meant
            if path in seen:
                raise InvalidInput(f'{self.subject}: entry "{printable(name)}" is there twice')
            seen.add(path)
            if len(seen) > _MOST_ENTRIES:
                raise InvalidInput(f"{self.subject}: has more than {_MOST_ENTRIES} files: not an image archive")
            if member.type != FILE:
                base = posixpath.dirname(path) if member.type == SYMLINK else ""
                self._links[path] = posixpath.normpath(posixpath.join(base, os.fsdecode(member.link)))
            elif member.sparse is not None:
                raise InvalidInput(f'{self.subject}: entry "{printable(name)}" is sparse, which no image archive has')
            else:
                self._keep(path, member.size, reader)

    def _keep(self, path: str, size: int, reader: TarReader) -> None:
        digest = _digest_of(path)
        if digest is None and size <= _SMALL and self._in_memory + size <= _ALL_SMALL:
            self._small[path] = b"".join(reader.pieces())
            self._in_memory += size
        else:
            self._blobs[path] = self._content.ingest(map(bytes, reader.pieces()), digest, size)

    def _inside(self, name: str, where: str) -> str:
        path = posixpath.normpath(name.lstrip("/"))
        if path.split("/")[0] == "..":
            raise InvalidInput(f'{self.subject}: {where or "entry"} "{printable(name)}" points outside the archive')
        return path

    def _resolve(self, path: str) -> str:
        """The path behind links; they only lead to other entries of the archive."""
        path = self._inside(path, "path")
        for _ in range(_MOST_LINKS):
            if path not in self._links:
                return path
            path = self._inside(self._links[path], f'link "{printable(path)}" to')
        raise InvalidInput(f'{self.subject}: "{printable(path)}" is a link to a link to a link, and so on')

    def document(self, path: str) -> bytes | None:
        path = self._resolve(path)
        if path in self._small:
            return self._small[path]
        blob = self._blobs.get(path)
        if blob is None:
            return None
        if blob.size > LARGEST_DOCUMENT:
            raise InvalidInput(f"{self.subject}: {printable(path)} is larger than {LARGEST_DOCUMENT} bytes")
        return self._content.read(blob.digest)

    def blob(self, path: str, digest: str | None = None) -> Blob | None:
        path = self._resolve(path)
        if path in self._small:
            return self._content.ingest([self._small[path]], digest)
        blob = self._blobs.get(path)
        if blob is not None and digest is not None and blob.digest != digest:
            raise Corrupt(f"{self.subject}: {printable(path)}: has digest {blob.digest} instead of {digest}")
        return blob


class DirectoryTree:
    """The files below a directory of the host; links in it are not followed."""

    def __init__(self, content: ContentStore, directory: str) -> None:
        self.subject = directory
        self._content = content

    def document(self, path: str) -> bytes | None:
        file = self._open(path)
        if file is None:
            return None
        with file:
            data = file.read(LARGEST_DOCUMENT + 1)
        if len(data) > LARGEST_DOCUMENT:
            raise InvalidInput(f"{self.subject}: {printable(path)} is larger than {LARGEST_DOCUMENT} bytes")
        return data

    def blob(self, path: str, digest: str | None = None) -> Blob | None:
        file = self._open(path)
        if file is None:
            return None
        with file:
            return self._content.ingest(chunks(file), digest)

    def _open(self, path: str) -> BinaryIO | None:
        full = os.path.join(self.subject, path)
        try:
            # Without O_NONBLOCK opening a fifo would wait for ever.
            file = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise Denied(f"{full}: {error.strerror}") from None
        except OSError as error:
            raise Failed(f"{full}: {error.strerror}", errno=error.errno or 0) from None
        opened = os.fdopen(file, "rb")
        if not stat.S_ISREG(os.fstat(file).st_mode):
            opened.close()
            raise InvalidInput(f"{full}: is not a regular file")
        return opened


def _digest_of(path: str) -> str | None:
    """The digest that the path of a blob in an image layout says: `blobs/sha256/<hex>`."""
    parts = path.split("/")
    digest = ":".join(parts[1:])
    return digest if len(parts) == 3 and parts[0] == "blobs" and is_digest(digest) else None


def layout_path(digest: str) -> str:
    """Where an image layout keeps a blob (image-spec, image-layout.md)."""
    return f"blobs/{digest.replace(':', '/', 1)}"
