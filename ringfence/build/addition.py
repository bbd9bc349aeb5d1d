"""What COPY, ADD and WORKDIR add to an image, planned before it is written: named by its content, stored as a tar.

The plan knows every file with its place and attributes; its digest is what the build cache goes by (times do not
count), and its tar is the layer. Directories above what is added are listed with the attributes that they have in the
image, for readers that would make them anew otherwise.
"""

from __future__ import annotations

import os

from ringfence.errors import InvalidInput
from ringfence.layers.tar import DIRECTORY, FILE, LINK, Member
from ringfence.oci.digest import Digest, hasher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from hashlib import _Hash

    from ringfence.build.places import Places
    from ringfence.content.store import ContentStore
    from ringfence.images.make import Layer

    Content = Callable[[], Iterable[bytes]]
    Members = Iterator[tuple[Member, Iterable[bytes | memoryview]]]


class Item:
    """A file of the plan: its member, what opens its content (None: no regular file), and its inode if it has links."""

    __slots__ = ("content", "implied", "inode", "member")

    def __init__(self, member: Member, content: Content | None = None, inode: tuple[int, int] | None = None, *,
                 implied: bool = False) -> None:  # fmt: skip
        self.member = member
        self.content = content
        self.inode = inode
        self.implied = implied


class Addition:
    """The plan of one instruction. `owner` is whose the directories are that have to be made."""

    def __init__(self, places: Places, owner: tuple[int, int] = (0, 0), latest: int | None = None) -> None:
        self.places = places
        self._owner = owner
        self._latest = latest
        self._items: dict[bytes, Item] = {}
        self._archives: list[tuple[str, Callable[[], Members]]] = []

    def add(self, place: str, item: Item) -> None:
        """Put a file at a resolved place, instead of what was planned for it before; its parents come with it.

        InvalidInput if it would replace a directory, or something else than a directory is among its parents.
        """
        member = item.member
        if member.type != DIRECTORY and self.places.is_directory(place):
            raise InvalidInput(f"cannot put a file over the directory /{place}")
        if member.type == DIRECTORY and not self.places.is_directory(place) and self.places.stat(place) is not None:
            raise InvalidInput(f"cannot put a directory over the file /{place}")
        if any(part.startswith(".wh.") for part in place.split("/")):
            raise InvalidInput(f"/{place}: no image can hold a file of this name: layers use it for deleted ones")
        member.name = os.fsencode(place)
        self._parents(place, member.mtime)
        if place:
            self._items[member.name] = item

    def directory(self, place: str, mtime: int) -> None:
        """Make sure that there is a directory."""
        if place and os.fsencode(place) not in self._items:
            self._imply(place, mtime)

    def archive(self, digest: str, members: Callable[[], Members]) -> None:
        """Add all of an archive, whose members are named from the root of the image already."""
        self._archives.append((digest, members))

    @property
    def empty(self) -> bool:
        return not self._archives and all(item.implied and self.places.is_directory(os.fsdecode(place))
                                          for place, item in self._items.items())  # fmt: skip

    def digest(self) -> str:
        """Of everything but times: what is equal here makes an equal tree."""
        hash = hasher()
        first: dict[tuple[int, int], bytes] = {}
        for place, item in sorted(self._items.items()):
            member = item.member
            link = first.setdefault(item.inode, place) if item.inode else place
            _feed(hash, place, member, link if link != place else member.link)
            if member.type == FILE and link == place:
                hash.update(_content_digest(item).encode())
        for digest, _ in self._archives:
            hash.update(f"archive {digest}\n".encode())
        return str(Digest.finish(hash))

    def store(self, content: ContentStore) -> Layer:
        """Store the layer; the caller holds a lease."""
        from ringfence.images.make import Layer
        from ringfence.layers.tar_writer import TarWriter

        first: dict[tuple[int, int], bytes] = {}
        with content.writing() as out:
            tar = TarWriter(out)
            for place, item in sorted(self._items.items()):
                link = first.setdefault(item.inode, place) if item.inode else place
                self._write(tar.add, item.member, link if link != place else None, item.content)
            for _, members in self._archives:
                for member, pieces in members():
                    self._settle(member)
                    tar.add(member, pieces)
            tar.close()
        return Layer.uncompressed(out.blob)

    def _write(self, add: Callable[..., None], member: Member, link: bytes | None, content: Content | None) -> None:
        self._settle(member)
        if link is not None:
            add(Member(member.name, LINK, mode=member.mode, uid=member.uid, gid=member.gid, mtime=member.mtime,
                       link=link))  # fmt: skip
        elif member.type == DIRECTORY:
            name, member.name = member.name, member.name + b"/"
            add(member)
            member.name = name
        else:
            add(member, content() if content is not None else ())

    def _settle(self, member: Member) -> None:
        if self._latest is not None:
            member.mtime = min(member.mtime, self._latest * 10**9)

    def _parents(self, place: str, mtime: int) -> None:
        parent = place.rpartition("/")[0]
        if parent:
            name = os.fsencode(parent)
            planned = self._items.get(name)
            if planned is None:
                self._imply(parent, mtime)
            elif planned.member.type != DIRECTORY:
                raise InvalidInput(f"/{parent} is no directory")

    def _imply(self, place: str, mtime: int) -> None:
        member = self.places.directory(place)
        if member is None:
            if self.places.stat(place) is not None:
                raise InvalidInput(f"/{place} is no directory")
            member = Member(b"", DIRECTORY, mode=0o755, uid=self._owner[0], gid=self._owner[1], mtime=mtime)
        self._parents(place, mtime)
        member.name = os.fsencode(place)
        self._items[member.name] = Item(member, implied=True)


def _feed(hash: _Hash, place: bytes, member: Member, link: bytes) -> None:
    fields = (place, member.type, b"%o %d %d" % (member.mode, member.uid, member.gid), link,
              b"%d %d" % (member.major, member.minor))  # fmt: skip
    for field in (*fields, *(part for pair in sorted(member.xattrs.items()) for part in pair)):
        hash.update(b"%d:" % len(field) + field)


def _content_digest(item: Item) -> str:
    hash = hasher()
    for piece in item.content() if item.content is not None else ():
        hash.update(piece)
    return hash.hexdigest()


