"""The lines of a Dockerfile: directives, comments, continuation and here-documents, before instructions are looked at.

Docker's "Dockerfile reference", sections "Format", "Parser directives" and "Here-Documents". A logical line keeps the
numbers of the lines it was written on, so that every later error can quote it.
"""

from __future__ import annotations

from ringfence.errors import InvalidInput
from ringfence.oci.digest import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

DIRECTIVES = ("syntax", "escape", "check")
HEREDOC_INSTRUCTIONS = ("ADD", "COPY", "RUN")
_SPACE = " \t"
_DELIMITERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")
_LARGEST = 16 << 20  # bytes of a Dockerfile: held in memory, like its here-documents


class Heredoc:
    """A here-document: its delimiter, its text, and whether variables in it are replaced (no quoted delimiter)."""

    __slots__ = ("content", "descriptor", "expand", "name")

    def __init__(self, name: str, *, expand: bool, descriptor: str = "", content: str = "") -> None:
        self.name = name
        self.expand = expand
        self.descriptor = descriptor
        self.content = content

    def __repr__(self) -> str:
        return f"Heredoc({self.name!r}, {self.content!r}, expand={self.expand})"


class Line:
    """A logical line: `text` without continuations, its here-documents, and where it stands (`file`, first line)."""

    __slots__ = ("file", "heredocs", "number", "text")

    def __init__(self, file: str, number: int, text: str) -> None:
        self.file = file
        self.number = number
        self.text = text
        self.heredocs: list[Heredoc] = []

    @property
    def place(self) -> str:
        """How messages begin: `Dockerfile:3: COPY a b`."""
        return f"{self.file}:{self.number}: {printable(' '.join(self.text.split()))}"

    def refuse(self, why: str, *, hint: str = "") -> NoReturn:
        """Raise InvalidInput that quotes this line."""
        raise InvalidInput(f"{self.place}: {why}", hint=hint)

    def __repr__(self) -> str:
        return f"Line({self.number}, {self.text!r})"


class Lines:
    """All logical lines of a Dockerfile, its directives, and the escape character that one of these may set."""

    def __init__(self, content: bytes, file: str) -> None:
        self.file = file
        self.directives: dict[str, str] = {}
        self.escape = "\\"
        self._physical = _decode(content, file).split("\n")
        self._position = 0
        self._read_directives()
        self.lines = list(self._logical())

    def _read_directives(self) -> None:
        """Directives stand before everything else; the first line that is none ends them."""
        for number, text in enumerate(self._physical, 1):
            name, equals, value = text.strip().removeprefix("#").partition("=")
            name = name.strip().lower()
            if not text.strip().startswith("#") or not equals or name not in DIRECTIVES:
                return
            line = Line(self.file, number, text.strip())
            if name in self.directives:
                line.refuse(f"the directive {name} is there twice")
            self.directives[name] = value.strip()
            if name == "escape":
                if value.strip() not in ("\\", "`"):
                    line.refuse("the escape character must be \\ or `")
                self.escape = value.strip()

    def _logical(self) -> Iterator[Line]:
        while self._position < len(self._physical):
            text = self._next()
            start = self._position
            if not text.strip() or text.lstrip().startswith("#"):
                continue
            text, more = self._continued(text.lstrip())
            while more and self._position < len(self._physical):
                following = self._next()
                if not following.strip() or following.lstrip().startswith("#"):
                    continue  # comments, and empty lines as docker still allows them, do not end a line
                following, more = self._continued(following)
                text += following
            if not text.strip():
                continue
            line = Line(self.file, start, text)
            self._read_heredocs(line)
            yield line

    def _next(self) -> str:
        self._position += 1
        return self._physical[self._position - 1].removesuffix("\r")

    def _continued(self, text: str) -> tuple[str, bool]:
        """The text without the escape character that ends it, and whether there was one; two of them are a text."""
        bare = text.rstrip(_SPACE)
        if bare.endswith(self.escape) and not bare.endswith(self.escape * 2):
            return bare[:-1], True
        return text, False

    def _read_heredocs(self, line: Line) -> None:
        words = line.text.split(None, 2)
        if words[0].upper() == "ONBUILD":
            words = words[1:]
        if not words or words[0].upper() not in HEREDOC_INSTRUCTIONS or "<<" not in line.text:
            return
        for name, quoted, chomp, descriptor in heredocs_of(line.text, self.escape):
            heredoc = Heredoc(name, expand=not quoted, descriptor=descriptor)
            body: list[str] = []
            while True:
                if self._position >= len(self._physical):
                    line.refuse(f"the here-document does not end: no line {name}")
                text = self._next()
                shown = text.lstrip("\t") if chomp else text
                if shown == name:
                    break
                body.append(shown + "\n")
            heredoc.content = "".join(body)
            line.heredocs.append(heredoc)


def heredocs_of(text: str, escape: str = "\\") -> list[tuple[str, bool, bool, str]]:
    """(name, quoted, chomp, descriptor) of every word `[n]<<[-]NAME` of a line; arithmetic like `$((1<<2))` is none."""
    found = []
    for word in raw_words(text, escape):
        descriptor, arrows, rest = word.partition("<<")
        if not arrows or descriptor.strip("0123456789"):
            continue
        chomp = rest.startswith("-")
        name = rest[1:] if chomp else rest
        bare = name.replace('"', "").replace("'", "")
        if bare and _DELIMITERS.issuperset(bare):
            found.append((bare, bare != name, chomp, descriptor))
    return found


def raw_words(text: str, escape: str = "\\") -> list[str]:
    """The words of a line as they are written, quotes and escapes kept; a quote that does not end takes the rest."""
    words: list[str] = []
    word, quote, position = "", "", 0
    while position < len(text):
        character = text[position]
        position += 1
        if not quote and character.isspace():
            if word:
                words.append(word)
            word = ""
            continue
        word += character
        if character == escape and quote != "'" and position < len(text):
            word += text[position]
            position += 1
        elif character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
    return [*words, word] if word else words


def _decode(content: bytes, file: str) -> str:
    if len(content) > _LARGEST:
        raise InvalidInput(f"{file}: is larger than {_LARGEST} bytes")
    try:
        text = content.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file}: is not UTF-8 (byte {error.start})") from None
    if "\0" in text:
        raise InvalidInput(f"{file}: contains a NUL byte")
    return text
