"""COPY and ADD: files of the context, of a stage or an image, here-documents, archives and URLs become a layer.

Docker's "Dockerfile reference", sections COPY and ADD.
"""

from __future__ import annotations

import os
import posixpath
from contextlib import ExitStack
from functools import partial

from ringfence.build import git, modes, owners
from ringfence.build.addition import Addition, Item
from ringfence.build.lines import Heredoc
from ringfence.build.patterns import Rules, clean, is_pattern
from ringfence.build.places import Places
from ringfence.build.words import expand_heredoc
from ringfence.errors import InvalidInput, NotFound, RingfenceError
from ringfence.layers.tar import DIRECTORY, FILE, SYMLINK, Member

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ringfence.build.dockerfile import Instruction
    from ringfence.build.sources import Found, Tree
    from ringfence.build.stage import StageBuild


def copy(stage: StageBuild, instruction: Instruction) -> None:
    """Carry out COPY or ADD."""
    sources, destination = _words(stage, instruction)
    shown = " ".join([instruction.name, *_shown_flags(instruction), *map(str, _shown(sources)), destination])
    link = instruction.switch("link")
    with ExitStack() as opened:
        tree = opened.enter_context(stage.tree(instruction, stage.expand(instruction, instruction.flag("from") or "")))
        root = None if link else stage.root()
        if root is not None:
            opened.enter_context(root)
        added = _Copy(stage, instruction, tree, Places(root), destination, opened)
        try:
            added.take(sources)
        except ValueError as error:
            instruction.refuse(str(error))
        except RingfenceError as error:
            if str(error).startswith(instruction.line.file):
                raise
            instruction.refuse(error.what, hint=error.hint)
        addition = added.addition
        below = "" if link else stage.draft.top
        stage.add_layer(shown, ["add", below, addition.digest()], lambda: addition.store(stage.engine.content))


def _words(stage: StageBuild, instruction: Instruction) -> tuple[list[str | Heredoc], str]:
    """The sources and the destination, with variables replaced."""
    heredocs = {heredoc.name: heredoc for heredoc in instruction.heredocs}
    expanded: list[str | Heredoc] = []
    for word in instruction.words:
        arrow = word.partition("<<")[2].removeprefix("-").replace('"', "").replace("'", "")
        if not instruction.exec and word.startswith("<<") and arrow in heredocs:
            expanded.append(heredocs[arrow])
        else:
            expanded.append(stage.expand(instruction, word) if not instruction.exec
                            else stage.expand(instruction, _quoted(word)))  # fmt: skip
    *sources, destination = expanded
    if not isinstance(destination, str) or not destination:
        instruction.refuse("needs a destination")
    if len(sources) > 1 and not destination.endswith("/") and destination not in (".", ".."):
        instruction.refuse("with several sources the destination must be a directory and end with a /")
    return sources, destination


def _quoted(word: str) -> str:
    """A text of the JSON form has no quotes of its own, but variables are replaced in it all the same."""
    return word.replace("\\", "\\\\").replace('"', '\\"').replace("'", "\\'").replace(" ", "\\ ")


def _shown_flags(instruction: Instruction) -> list[str]:
    return [f"--{name}={value}" if value else f"--{name}" for name, values in instruction.flags.items()
            for value in values]  # fmt: skip


def _shown(sources: Iterable[str | Heredoc]) -> list[str]:
    return [f"<<{source.name}" if isinstance(source, Heredoc) else source for source in sources]


def _is_remote(source: str | Heredoc) -> bool:
    return isinstance(source, str) and (git.is_git(source) or source.lower().startswith(("http://", "https://")))


class _Copy:
    """One instruction being planned; what it opens is closed when the layer is stored, with `opened`."""

    def __init__(
        self, stage: StageBuild, instruction: Instruction, tree: Tree, places: Places, destination: str,
        opened: ExitStack,
    ) -> None:  # fmt: skip
        self.stage = stage
        self.opened = opened
        self.instruction = instruction
        self.tree = tree
        self.places = places
        self.owner = self._chown()
        self.mode = self._chmod()
        self.exclude = self._exclude()
        self.into = destination.endswith(("/", "/.", "/..")) or destination in (".", "..")
        whole = posixpath.join(stage.draft.config.get("WorkingDir") or "/", destination)
        self.destination = places.resolve(whole)
        self.addition = Addition(places, self.owner or (0, 0), stage.build.epoch)

    # The flags

    def _chown(self) -> tuple[int, int] | None:
        text = self.stage.expand(self.instruction, self.instruction.flag("chown") or "")
        if not text:
            return None
        if numbers := owners.by_number(text):
            return numbers
        root = self.stage.root()
        if root is None:
            self.instruction.refuse(f"--chown={text}: an image from scratch knows no names: use numbers")
        with root as opened:
            return owners.by_name(opened, text)

    def _chmod(self) -> Callable[[int, bool], int] | None:
        text = self.stage.expand(self.instruction, self.instruction.flag("chmod") or "")
        try:
            return modes.change(text) if text else None
        except ValueError as error:
            self.instruction.refuse(str(error))

    def _exclude(self) -> Rules:
        patterns = [self.stage.expand(self.instruction, text) for text in self.instruction.flags.get("exclude", ())]
        try:
            return Rules(patterns)
        except ValueError as error:
            self.instruction.refuse(f"--exclude: {error}")

    # The sources

    def take(self, sources: list[str | Heredoc]) -> None:
        several = len(sources) > 1
        if self._checksum() and (several or not _is_remote(sources[0])):
            raise InvalidInput("--checksum is for one URL or git repository")
        for source in sources:
            if isinstance(source, Heredoc):
                self._heredoc(source)
            elif self.instruction.name == "ADD" and git.is_git(source):
                self._repository(source)
            elif self.instruction.name == "ADD" and _is_remote(source):
                self._url(source)
            else:
                several |= is_pattern(source)
                self._paths(source, several=several)
        if self.addition.empty and any(isinstance(source, str) and is_pattern(source) for source in sources):
            raise NotFound(f"no file of {self.tree.name} matches {' '.join(_shown(sources))}")

    def _paths(self, source: str, *, several: bool) -> None:
        pivot = ""
        if self.instruction.switch("parents"):
            before, pivoted, after = source.partition("/./")
            pivot, source = (clean(before), f"{before}/{after}") if pivoted else ("", source)
        found = self.tree.find(source)
        for path in found:
            top = next(iter(self.tree.walk(path)))
            if self.instruction.switch("parents"):
                self._with_parents(path, pivot, top)
            elif top.member.type == DIRECTORY:
                self._directory(self.tree, path, self.destination)
            elif self.instruction.name == "ADD" and self._unpacks() and self._archive(path, top):
                continue
            else:
                name = posixpath.basename(path)
                inside = self.into or several or self.places.is_directory(self.destination)
                self._file(path, top, self._beside(name) if inside else self.destination)

    def _beside(self, name: str) -> str:
        return f"{self.destination}/{name}" if self.destination else name

    def _file(self, path: str, found: Found, place: str) -> None:
        real = self.tree.real(path)
        self.addition.add(place, self._item(found, partial(self.tree.content, real)))

    def _directory(self, tree: Tree, path: str, destination: str, *, itself: bool = False) -> None:
        """The content of a directory, into `destination`, which has the source's attributes with `itself` alone."""
        real = tree.real(path)
        into = {"": destination}  # where each directory of the source goes: links in the image are followed
        for found in tree.walk(path, self.exclude):
            above, _, name = found.path.rpartition("/")
            place = f"{into[above]}/{name}".lstrip("/") if found.path else destination
            if found.member.type == DIRECTORY:
                place = into[found.path] = self._real_directory(place)
                if not found.path and (not itself or self.places.is_directory(place)):
                    self.addition.directory(place, found.member.mtime)
                    continue
            inner = "/".join(part for part in (real, found.path) if part)
            self.addition.add(place, self._item(found, partial(tree.content, inner)))

    def _real_directory(self, place: str) -> str:
        real = self.places.resolve(place)
        return real if self.places.is_directory(real) else place

    def _with_parents(self, path: str, pivot: str, top: Found) -> None:
        """--parents: below the destination as below the pivot of the source."""
        relative = path[len(pivot) :].strip("/") if pivot and path.startswith(pivot) else path
        parts = relative.split("/")
        place = self.destination
        for number, part in enumerate(parts[:-1]):
            above = "/".join([*([pivot] if pivot else []), *parts[: number + 1]])
            place = self._real_directory(f"{place}/{part}".lstrip("/"))
            if not self.places.is_directory(place):
                self.addition.add(place, self._item(next(iter(self.tree.walk(above))), None))
        place = f"{place}/{parts[-1]}".strip("/")
        if top.member.type == DIRECTORY:
            self._directory(self.tree, path, self._real_directory(place), itself=True)
        else:
            self._file(path, top, place)

    def _item(self, found: Found, content: Callable[[], Iterable[bytes]] | None) -> Item:
        member = found.member
        if self.owner is not None:
            member.uid, member.gid = self.owner
        if self.mode is not None and member.type != SYMLINK:
            member.mode = self.mode(member.mode, member.type == DIRECTORY)
        return Item(member, content if member.type == FILE else None, found.inode)

    def _made(self, name: str, mode: int, mtime: int, size: int, content: Callable[[], Iterable[bytes]]) -> None:
        """A file that is in no tree, at the destination, or in it."""
        inside = self.into or self.places.is_directory(self.destination)
        if inside and not name:
            raise InvalidInput("cannot tell a file name from the URL: let the destination be one")
        uid, gid = self.owner or (0, 0)
        if self.mode is not None:
            mode = self.mode(mode, False)
        member = Member(b"", FILE, mode=mode, uid=uid, gid=gid, size=size, mtime=mtime)
        self.addition.add(self._beside(name) if inside else self.destination, Item(member, content))

    def _heredoc(self, heredoc: Heredoc) -> None:
        text = heredoc.content
        if heredoc.expand:
            text = expand_heredoc(text, self.stage.variables())
        data = text.encode("utf-8", "surrogateescape")
        self._made(heredoc.name, 0o644, self.stage.build.now_ns(), len(data), lambda: [data])

    def _url(self, url: str) -> None:
        from ringfence.build.download import download

        file = download(self.stage.engine.content, url, self._checksum())
        content = self.stage.engine.content

        def read() -> Iterable[bytes]:
            from ringfence.content.store import chunks

            with content.open(file.digest) as opened:
                yield from chunks(opened)

        self._made(file.name, 0o600, file.modified * 10**9, file.size, read)

    def _checksum(self) -> str:
        return self.stage.expand(self.instruction, self.instruction.flag("checksum") or "")

    def _repository(self, url: str) -> None:
        """The content of a git repository, without .git unless that is to be kept."""
        from ringfence.build.sources import Tree
        from ringfence.engine import scratch
        from ringfence.linux.paths import Root
        from ringfence.linux.trees import remove_tree

        repository = git.Repository(url)
        directory = scratch.make(self.stage.engine.root)
        self.opened.callback(remove_tree, directory)
        found = git.fetch(repository, f"{directory}/git", self.stage.build.environment,
                          keep_git=self.instruction.switch("keep-git-dir"), checksum=self._checksum(),
                          agent=self.stage.build.agents.get("default", ""))  # fmt: skip
        tree = self.opened.enter_context(Tree(Root(found), repository.shown, directories=[found], foreign=True))
        self._directory(tree, "", self.destination)

    def _unpacks(self) -> bool:
        return self.instruction.flag("unpack") is None or self.instruction.switch("unpack")

    def _archive(self, path: str, top: Found) -> bool:
        """Unpack a local tar archive, compressed or not; False if it is none."""
        from ringfence.build.archive import is_archive, members

        real = self.tree.real(path)
        if top.member.type != FILE or not is_archive(lambda: self.tree.content(real)):
            return False
        self.addition.directory(self.destination, top.member.mtime)
        item = Addition(self.places)
        item.add("x", Item(top.member, lambda: self.tree.content(real)))
        owner, mode, destination = self.owner, self.mode, os.fsencode(self.destination)
        digest = f"{item.digest()} {self.destination} {owner} {self.instruction.flag('chmod')}"
        self.addition.archive(digest, lambda: members(self.tree.content(real), destination, owner, mode))
        return True
