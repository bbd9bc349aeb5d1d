"""The build context: a directory, a tar archive on standard input or from a URL, a git repository; its Dockerfile."""

from __future__ import annotations

import os

from ringfence.build import git, ignore
from ringfence.build.download import download
from ringfence.build.sources import Tree
from ringfence.engine import scratch
from ringfence.errors import InvalidInput, NotFound
from ringfence.linux.paths import Root
from ringfence.linux.trees import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from ringfence.build.patterns import Rules
    from ringfence.engine import Engine

NAMES = ("Dockerfile", "Containerfile")
_LARGEST = 16 << 20


class Context:
    """A directory, in a `with` block; one that was made for the build goes with it.

    `dockerfile`: its content, `file` what messages call it, `rules`: what of the context is left out. `keep_git`: the
    directory .git of a git repository is a part of it; `agent`: the socket of an ssh agent for fetching one;
    `ignore_file`: what is read instead of the context's own rules.
    """

    def __init__(self, engine: Engine, place: str, stdin: BinaryIO | None, file: str, *, keep_git: bool = False,
                 agent: str = "", ignore_file: str = "") -> None:  # fmt: skip
        self._engine = engine
        self._place = place
        self._keep_git = keep_git
        self._agent = agent
        self._ignore_file = ignore_file
        self._stdin = stdin
        self._wanted = file
        self._scratch = ""
        self.directory = ""
        self.file = ""
        self.dockerfile = b""
        self.rules: Rules | None = None

    def __enter__(self) -> Context:
        try:
            self._open()
            if not self.dockerfile:
                self._find_dockerfile()
            self.rules = self._ignored()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._scratch:
            remove_tree(self._scratch)

    def tree(self) -> Tree:
        """Its files, for a `with` block."""
        return Tree(Root(self.directory), "the build context", directories=[self.directory], rules=self.rules,
                    foreign=True)  # fmt: skip

    def _open(self) -> None:
        place = self._place
        if place == "-":
            self._from_stream()
        elif git.is_git(place) or place.startswith("file://"):
            self._from_git(place)
        elif place.startswith("github.com/") and not os.path.isdir(place):
            self._from_git(f"https://{place}")
        elif place.startswith(("http://", "https://")):
            self._from_url()
        elif not os.path.isdir(place):
            why = "is no directory" if os.path.exists(place) else "there is no such directory"
            raise NotFound(f"build context {place}: {why}")
        else:
            self.directory = os.path.abspath(place)

    def _from_stream(self) -> None:
        """An archive, or a Dockerfile alone, as docker tells them apart: by the content."""
        from ringfence.content.store import chunks

        if self._stdin is None:
            raise InvalidInput("build context -: there is nothing to read it from")
        blob = self._engine.content.ingest(chunks(self._stdin))
        self._from_blob(blob.digest, "the build context on standard input")

    def _from_git(self, place: str) -> None:
        self._scratch = scratch.make(self._engine.root)
        repository = git.Repository(place)
        self.directory = git.fetch(repository, f"{self._scratch}/git", self._engine.environment,
                                   keep_git=self._keep_git, agent=self._agent,
                                   local=place.startswith("file://"))  # fmt: skip

    def _from_url(self) -> None:
        file = download(self._engine.content, self._place)
        self._from_blob(file.digest, self._place)

    def _from_blob(self, digest: str, shown: str) -> None:
        from ringfence.build.archive import is_archive
        from ringfence.content.store import chunks
        from ringfence.layers.apply import apply
        from ringfence.layers.compression import Decompressor

        self._scratch = scratch.make(self._engine.root)
        self.directory = f"{self._scratch}/context"
        os.mkdir(self.directory, 0o755)
        content = self._engine.content

        def read() -> Iterator[bytes]:
            with content.open(digest) as file:
                yield from chunks(file)

        if is_archive(read):
            with content.open(digest) as file:
                apply(Decompressor(file), self.directory, "remove")
        elif content.size(digest) > _LARGEST:
            raise InvalidInput(f"{shown}: is neither a tar archive nor a Dockerfile")
        else:
            self.file, self.dockerfile = "Dockerfile", content.read(digest)
            if not self.dockerfile.strip():
                raise InvalidInput(f"{shown}: is empty")

    def _find_dockerfile(self) -> None:
        if self._wanted == "-":
            if self._stdin is None:
                raise InvalidInput("--file -: there is nothing to read the Dockerfile from")
            self.file, self.dockerfile = "Dockerfile", self._stdin.read(_LARGEST + 1)
            return
        for path in self._candidates():
            content = self._read(path)
            if content is not None:
                self.file = self._wanted or os.path.basename(path)
                self.dockerfile = content
                self._wanted = path
                return
        shown = self._wanted or " or ".join(NAMES)
        raise NotFound(f"build context {self._place}: has no {shown}", hint="name the Dockerfile with --file")

    def _read(self, path: str) -> bytes | None:
        """A file's content, None if it is not there. In an archive a link leads nowhere else."""
        if not self._scratch:
            if not os.path.isfile(path):
                return None
            with open(path, "rb") as file:
                return file.read(_LARGEST + 1)
        with Root(self.directory) as root:
            inside = os.path.relpath(path, self.directory)
            return root.read_bytes(inside, _LARGEST + 1) if root.exists(inside) else None

    def _candidates(self) -> list[str]:
        """-f is a path from here (docker), else from the context (podman); of an archive it is inside."""
        if not self._wanted:
            return [f"{self.directory}/{name}" for name in NAMES]
        inside = os.path.join(self.directory, self._wanted.lstrip("/") if self._scratch else self._wanted)
        return [inside] if self._scratch else [os.path.abspath(self._wanted), inside]

    def _ignored(self) -> Rules:
        if self._ignore_file:
            try:
                with open(self._ignore_file, "rb") as file:
                    return ignore.parse(file.read(_LARGEST), self._ignore_file)
            except OSError as error:
                raise NotFound(f"--ignorefile: {self._ignore_file}: {error.strerror}") from None
        names = [f"{self.directory}/{name}" for name in ignore.NAMES]
        if self._wanted not in ("", "-"):
            names.insert(0, f"{self._wanted}.dockerignore")
        for path in names:
            content = self._read(path)
            if content is not None:
                return ignore.parse(content, os.path.basename(path))
        return ignore.parse(b"")
