"""Files from URLs, for ADD and for contexts: http and https alone, stored as blobs, compared with a given checksum."""

from __future__ import annotations

from ringfence.errors import Corrupt, Failed, InvalidInput
from ringfence.oci.digest import Digest, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.content.store import ContentStore

_PATIENCE = 60.0  # seconds without a byte


class Download:
    """`digest` and `size` of what was fetched, the file `name` of its URL (or ""), `modified` in seconds since 1970."""

    __slots__ = ("digest", "modified", "name", "size")

    def __init__(self, digest: str, size: int, name: str, modified: int) -> None:
        self.digest = digest
        self.size = size
        self.name = name
        self.modified = modified


def download(content: ContentStore, url: str, checksum: str = "") -> Download:
    """Fetch `url` into the content store; the caller holds a lease. Failed, or Corrupt if it is not of `checksum`."""
    import http.client
    from email.utils import parsedate_to_datetime
    from urllib.error import HTTPError, URLError
    from urllib.parse import unquote, urlsplit
    from urllib.request import Request, urlopen

    from ringfence.content.store import chunks

    expected = Digest(checksum) if checksum else None
    parts = urlsplit(url)
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise InvalidInput(f"{printable(url)}: is no http or https URL")
    try:
        with urlopen(Request(url, headers={"User-Agent": "ringfence"}), timeout=_PATIENCE) as answer:
            length = answer.headers.get("Content-Length", "")
            size = int(length) if length.isascii() and length.isdecimal() else None
            blob = content.ingest(chunks(answer), expected, size)
            modified = answer.headers.get("Last-Modified")
    except HTTPError as error:
        raise Failed(f"{printable(url)}: the server says {error.code} {error.reason}") from None
    except (URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        told = reason.strerror.lower() if isinstance(reason, OSError) and reason.strerror else reason
        raise Failed(f"{printable(url)}: {told}") from None
    except Corrupt as error:
        raise Corrupt(f"{printable(url)}: {error.what}") from None
    try:
        seconds = int(parsedate_to_datetime(modified).timestamp()) if modified else 0
    except (ValueError, TypeError):
        seconds = 0  # a server may say anything
    return Download(str(blob.digest), blob.size, unquote(parts.path).rpartition("/")[2], max(seconds, 0))
