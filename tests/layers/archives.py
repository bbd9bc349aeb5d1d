"""Archives made entry by entry with the standard library's writer, also such as no honest program would make."""

from __future__ import annotations

import io
import tarfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Archive:
    """Collects entries; `stream()` is the archive. Owners are the ones given, times are 1 000 000 000 s by default."""

    def __init__(self, format: int = tarfile.PAX_FORMAT) -> None:
        self._out = io.BytesIO()
        self._tar = tarfile.TarFile(fileobj=self._out, mode="w", format=format)

    def add(self, name: str, type: bytes = tarfile.REGTYPE, content: bytes = b"", **fields: Any) -> Archive:
        """Add an entry; names may hold surrogates for bytes that are not UTF-8."""
        info = tarfile.TarInfo()
        info.name = name
        info.type = type
        info.size = len(content)
        info.mode = 0o755 if type == tarfile.DIRTYPE else 0o644
        info.mtime = 1_000_000_000
        for field, value in fields.items():
            setattr(info, field, value)
        self._tar.addfile(info, io.BytesIO(content))
        return self

    def file(self, name: str, content: bytes = b"", **fields: Any) -> Archive:
        return self.add(name, tarfile.REGTYPE, content, **fields)

    def directory(self, name: str, **fields: Any) -> Archive:
        return self.add(name, tarfile.DIRTYPE, **fields)

    def symlink(self, name: str, target: str, **fields: Any) -> Archive:
        return self.add(name, tarfile.SYMTYPE, linkname=target, **fields)

    def link(self, name: str, target: str, **fields: Any) -> Archive:
        return self.add(name, tarfile.LNKTYPE, linkname=target, **fields)

    def device(self, name: str, major: int, minor: int, **fields: Any) -> Archive:
        return self.add(name, tarfile.CHRTYPE, devmajor=major, devminor=minor, **fields)

    def bytes(self) -> bytes:
        self._tar.close()
        return self._out.getvalue()

    def stream(self) -> io.BytesIO:
        return io.BytesIO(self.bytes())
