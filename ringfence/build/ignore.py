""".dockerignore: which files of a build context are not part of it.

Docker's documentation, "Build context: .dockerignore files": NAME.dockerignore beside the Dockerfile NAME comes before
the context's own .dockerignore; `#` begins a comment line. Podman's .containerignore counts as well.
"""

from __future__ import annotations

from ringfence.build.patterns import Rules
from ringfence.errors import InvalidInput

NAMES = (".containerignore", ".dockerignore")


def parse(content: bytes, file: str = ".dockerignore") -> Rules:
    """The rules of an ignore file; InvalidInput quotes a line that is no pattern."""
    try:
        text = content.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file}: is not UTF-8 (byte {error.start})") from None
    patterns = []
    for number, line in enumerate(text.split("\n"), 1):
        pattern = line.strip()
        if line.startswith("#") or not pattern:
            continue
        try:
            Rules([pattern])
        except ValueError as error:
            raise InvalidInput(f"{file}:{number}: {error}") from None
        if pattern == "!":
            raise InvalidInput(f"{file}:{number}: an exception needs a pattern behind its !")
        patterns.append(pattern)
    return Rules(patterns)
