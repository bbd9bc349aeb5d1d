"""Image references: `debian`, `quay.io/team/app:1.2`, `localhost:5000/x@sha256:…`.

The grammar is that of the distribution-spec and github.com/distribution/reference; short names mean docker.io, and its
`library/` when they have one component, as people who type `debian:12` expect.
"""

from __future__ import annotations

from ringfence.errors import InvalidInput
from ringfence.oci.digest import Digest, printable

DEFAULT_REGISTRY = "docker.io"
DEFAULT_TAG = "latest"
_LONGEST_NAME = 255  # bytes of registry/repository
_LONGEST_TAG = 128
_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_WORD = _LOWER | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_HOST = _WORD - {"_"} | {"-"}


class Reference:
    """A parsed reference: `tag` and `digest` are "" when it has none. Values are equal when their parts are."""

    __slots__ = ("digest", "registry", "repository", "tag")

    def __init__(self, registry: str, repository: str, tag: str = "", digest: str = "") -> None:
        self.registry = registry
        self.repository = repository
        self.tag = tag
        self.digest = digest

    @classmethod
    def parse(cls, text: str, default_tag: str = DEFAULT_TAG) -> Reference:
        """InvalidInput says what is wrong. Without tag and digest the tag is `default_tag` ("" leaves it out)."""
        name, at, digest = text.partition("@")
        if at:
            digest = _checked_digest(digest, text)
        tag = ""
        colon = name.rfind(":")
        if colon > name.rfind("/"):  # else it is the port of the registry
            name, tag = name[:colon], name[colon + 1 :]
            if not is_tag(tag):
                raise _wrong(text, f'"{printable(tag)}" is not a tag')
        registry, repository = _split_registry(name)
        if not repository:
            raise _wrong(text, "it has no name")
        if not _is_registry(registry):
            raise _wrong(text, f'"{printable(registry)}" is not a registry')
        if repository != repository.lower():
            raise _wrong(text, "the name must be lowercase")
        if not all(_is_component(component) for component in repository.split("/")):
            raise _wrong(text, f'"{printable(repository)}" is not a name')
        if not at and not tag and len(name) == 64 and "/" not in name and _is_hex(name):
            raise _wrong(text, "64 hexadecimal digits are an ID, not a name")
        if len(registry) + 1 + len(repository) > _LONGEST_NAME:
            raise _wrong(text, f"its name is longer than {_LONGEST_NAME} characters")
        return cls(registry, repository, tag or ("" if digest else default_tag), digest)

    @property
    def name(self) -> str:
        """Registry and repository: docker.io/library/debian."""
        return f"{self.registry}/{self.repository}"

    @property
    def familiar_name(self) -> str:
        """The name as people write it: debian, user/app, quay.io/team/app."""
        if self.registry != DEFAULT_REGISTRY:
            return self.name
        user, slash, rest = self.repository.partition("/")
        # `library/a/b` must keep its first word: `a/b` would be another repository.
        return rest if user == "library" and slash and "/" not in rest else self.repository

    @property
    def canonical(self) -> str:
        """The whole reference: docker.io/library/debian:12."""
        return self.name + self._suffix

    @property
    def familiar(self) -> str:
        """The whole reference as people write it: debian:12."""
        return self.familiar_name + self._suffix

    @property
    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    def __str__(self) -> str:
        return self.canonical

    def __repr__(self) -> str:
        return f"Reference({self.canonical!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reference) and self.canonical == other.canonical

    def __hash__(self) -> int:
        return hash(self.canonical)


def familiar(canonical: str) -> str:
    """The familiar form of a canonical reference text."""
    return Reference.parse(canonical).familiar


def is_tag(text: str) -> bool:
    """Whether `text` may stand behind the colon."""
    rest = _WORD | {".", "-"}
    return 0 < len(text) <= _LONGEST_TAG and text[0] in _WORD and rest.issuperset(text)


def _wrong(text: str, reason: str) -> InvalidInput:
    return InvalidInput(f'invalid image reference "{printable(text)}": {reason}')


def _checked_digest(digest: str, text: str) -> str:
    try:
        return str(Digest(digest))
    except InvalidInput as error:
        raise _wrong(text, error.what) from None


def _split_registry(name: str) -> tuple[str, str]:
    """The first component is a registry if no user is called so: it has a dot, port or capital, or is localhost."""
    first, slash, rest = name.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost" or first != first.lower()):
        first, rest = DEFAULT_REGISTRY, name
    if first == "index.docker.io":
        first = DEFAULT_REGISTRY
    if first == DEFAULT_REGISTRY and rest and "/" not in rest:
        rest = f"library/{rest}"
    return first, rest


def _is_registry(text: str) -> bool:
    """`host`, `host:port`, `[ipv6]:port`."""
    if text.startswith("["):
        address, bracket, port = text[1:].partition("]")
        good = bool(bracket and address) and (_LOWER | set(":ABCDEF")).issuperset(address)
        return good and (not port or (port[0] == ":" and _is_port(port[1:])))
    host, colon, port = text.partition(":")
    labels = host.split(".")
    good = all(label and _HOST.issuperset(label) and "-" not in (label[0], label[-1]) for label in labels)
    return good and (not colon or _is_port(port))


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _is_component(text: str) -> bool:
    """Lower-case words, between them one dot, one or two underscores, or any number of dashes."""
    separator = ""
    for char in text:
        if char in _LOWER:
            if separator not in ("", ".", "_", "__") and separator.strip("-"):
                return False
            separator = ""
        elif char in "._-":
            separator += char
        else:
            return False
    return bool(text) and text[0] in _LOWER and text[-1] in _LOWER


def _is_hex(text: str) -> bool:
    return frozenset("0123456789abcdef").issuperset(text)
