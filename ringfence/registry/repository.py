"""One repository of a registry: manifests, blobs, tags and referrers, by the distribution-spec's requests."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from ringfence.errors import Corrupt, Failed, NotFound
from ringfence.oci.digest import Digest, hasher, is_digest, printable
from ringfence.oci.image_spec import INDEXES, LARGEST_DOCUMENT, MANIFESTS, Descriptor, is_index, media_type
from ringfence.oci.image_spec import parse_document as parse_manifest
from ringfence.oci.reference import is_tag
from ringfence.registry.listing import pages
from ringfence.registry.tokens import Bytes
from ringfence.registry.transport import Unreachable, Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Self

    from ringfence.registry.session import Session
    from ringfence.registry.transport import Body, Response



class Manifest:
    """A manifest or index as a registry gave it: its bytes, what they say, and the descriptor that names them."""

    __slots__ = ("data", "descriptor", "document")

    def __init__(self, data: bytes, document: dict[str, Any], descriptor: Descriptor) -> None:
        self.data = data
        self.document = document
        self.descriptor = descriptor

    @classmethod
    def parse(cls, data: bytes, subject: str, digest: str = "") -> Manifest:
        """Corrupt if it has not this `digest`; InvalidInput or Unsupported if it is no manifest that we know."""
        hash = hasher(Digest(digest).algorithm if digest else "sha256")
        hash.update(data)
        found = Digest.finish(hash)
        if digest and found != digest:
            raise Corrupt(f"{subject}: the registry sent a manifest with digest {found}")
        document = parse_manifest(data, subject)
        return cls(data, document, Descriptor(media_type(document), found, len(data)))

    @property
    def is_index(self) -> bool:
        return is_index(self.document)


class BlobStream:
    """The bytes of a blob from `start` on, while the `with` block runs."""

    __slots__ = ("_response", "readinto", "start")

    def __init__(self, response: Response, start: int) -> None:
        self._response = response
        self.start = start
        self.readinto = response.readinto

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._response.close()


class Repository:
    """`name` as the registry `session.host` has it ("library/debian"). `mirror`: it stands for another one."""

    def __init__(self, session: Session, name: str, *, mirror: bool = False) -> None:
        self.session = session
        self.name = name
        self.mirror = mirror

    @property
    def shown(self) -> str:
        return f"{self.session.host}/{self.name}"

    # Reading

    def manifest(self, reference: str) -> Manifest:
        """By tag or digest. NotFound, or Corrupt if it is not what its digest says."""
        where = f"{self.shown}{'@' if is_digest(reference) else ':'}{reference}"
        headers = {"Accept": ", ".join((*MANIFESTS, *INDEXES))}
        with self._pull("GET", f"manifests/{reference}", headers=headers) as response:
            data = response.read(LARGEST_DOCUMENT)
            announced = response.header("Docker-Content-Digest")
        digest = reference if is_digest(reference) else announced
        return Manifest.parse(data, where, digest if is_digest(digest) else "")

    def blob(self, digest: str, start: int = 0) -> BlobStream:
        """A blob's bytes, those before `start` left out if the registry can; not yet verified."""
        ranged = {"Range": f"bytes={start}-"} if start else {}
        response = self._pull("GET", f"blobs/{digest}", headers=ranged, accept=(200, 206, 416))
        if response.status == 416:
            response.close()
            return BlobStream(self._pull("GET", f"blobs/{digest}"), 0)
        if response.status == 206:
            first = response.header("Content-Range").removeprefix("bytes ").partition("-")[0]
            if first != str(start):
                response.close()
                raise Failed(f"{self.shown}: blob {digest}: sends from byte {printable(first)} on, asked for {start}")
        return BlobStream(response, start if response.status == 206 else 0)

    def read_blob(self, digest: str, limit: int = LARGEST_DOCUMENT) -> bytes:
        """A small blob, verified."""
        with self._pull("GET", f"blobs/{digest}") as response:
            data = response.read(limit)
        hash = hasher(Digest(digest).algorithm)
        hash.update(data)
        if (found := Digest.finish(hash)) != digest:
            raise Corrupt(f"{self.shown}: blob {digest}: the content has digest {found}")
        return data

    def tags(self) -> Iterator[str]:
        """All tags, in the registry's order."""
        found = pages(self.session, f"/v2/{self.name}/tags/list", "tags", [self._scope("pull")], f"{self.shown}: tags")
        return (tag for tag in found if is_tag(tag))

    def referrers(self, digest: str) -> list[dict[str, Any]]:
        """What refers to a manifest (signatures, attestations); by the tag schema where the API is not there."""
        try:
            with self._pull("GET", f"referrers/{digest}") as response:
                data = response.read(LARGEST_DOCUMENT)
            found = parse_manifest(data, f"{self.shown}: referrers of {digest}")
        except NotFound:
            try:
                found = self.manifest(digest.replace(":", "-")).document
            except NotFound:
                return []
        return found.get("manifests") or []

    def _pull(self, method: str, path: str, *, headers: dict[str, str] | None = None, url: Url | None = None,
              accept: tuple[int, ...] = (200,)) -> Response:  # fmt: skip
        return self.session.request(method, f"/v2/{self.name}/{path}", scopes=[self._scope("pull")], headers=headers,
                                    url=url, accept=accept)  # fmt: skip

    def _scope(self, actions: str) -> str:
        return f"repository:{self.name}:{actions}"

    # Writing

    def has_manifest(self, digest: str) -> bool:
        headers = {"Accept": ", ".join((*MANIFESTS, *INDEXES))}
        with self._push("HEAD", f"manifests/{digest}", headers=headers, accept=(200, 404)) as response:
            return response.status == 200

    def has_blob(self, digest: str) -> bool:
        with self._push("HEAD", f"blobs/{digest}", accept=(200, 404)) as response:
            return response.status == 200

    def put_manifest(self, reference: str, data: bytes, kind: str) -> None:
        """Under a tag or its digest."""
        path = f"manifests/{reference}"
        headers = {"Content-Type": kind}
        with self._push("PUT", path, headers=headers, body=Bytes(data), accept=(200, 201, 202)) as response:
            response.read(LARGEST_DOCUMENT)

    def mount(self, digest: str, source: str) -> Url | None:
        """Take a blob over from another repository of the registry; if it will not, where an upload has begun."""
        query = urlencode({"mount": digest, "from": source})
        scopes = [self._scope("pull,push"), f"repository:{source}:pull"]
        with self.session.request("POST", f"/v2/{self.name}/blobs/uploads/?{query}", scopes=scopes,
                                  accept=(201, 202)) as response:  # fmt: skip
            response.read(LARGEST_DOCUMENT)
            return None if response.status == 201 else self._location(response)

    def begin_upload(self) -> Url:
        """Where the upload that has begun is to be continued."""
        with self._push("POST", "blobs/uploads/", accept=(202,)) as response:
            response.read(LARGEST_DOCUMENT)
            return self._location(response)

    def upload_part(self, url: Url, start: int, body: Body) -> Url:
        """Append to an upload, which has `start` bytes; returns where it goes on. Unreachable: ask `uploaded`."""
        headers = {"Content-Type": "application/octet-stream", "Content-Range": f"{start}-{start + body.size - 1}"}
        with self._push("PATCH", "", url=url, headers=headers, body=body, accept=(202, 204, 201),
                        repeat=False) as response:  # fmt: skip
            response.read(LARGEST_DOCUMENT)
            return self._location(response)

    def uploaded(self, url: Url) -> tuple[int, Url]:
        """How many bytes of an upload have arrived, and where it goes on."""
        with self._push("GET", "", url=url, accept=(204, 200)) as response:
            response.read(LARGEST_DOCUMENT)
            last = response.header("Range").removeprefix("bytes=").partition("-")[2]
            return (int(last) + 1 if last.isascii() and last.isdecimal() and last != "0" else 0), self._location(
                response, url)  # fmt: skip

    def finish_upload(self, url: Url, digest: str, body: Body | None = None) -> None:
        """Make a blob of an upload, whose last or only bytes are in `body`."""
        query = ("&" if "?" in url.target else "?") + "digest=" + quote(digest, safe="")
        headers = {"Content-Type": "application/octet-stream"}
        target = Url(url.scheme, url.host, url.port, url.target + query)
        with self._push("PUT", "", url=target, headers=headers, body=body, accept=(201, 202, 204),
                        repeat=False) as response:  # fmt: skip
            response.read(LARGEST_DOCUMENT)

    def _push(self, method: str, path: str, *, headers: dict[str, str] | None = None, body: Body | None = None,
              url: Url | None = None, accept: tuple[int, ...], repeat: bool = True) -> Response:  # fmt: skip
        return self.session.request(method, f"/v2/{self.name}/{path}", scopes=[self._scope("pull,push")],
                                    headers=headers, body=body, url=url, accept=accept, repeat=repeat)  # fmt: skip

    def _location(self, response: Response, otherwise: Url | None = None) -> Url:
        location = response.header("Location")
        if not location and otherwise is not None:
            return otherwise
        if not location:
            raise Unreachable(f"{self.shown}: does not say where the upload goes on")
        return response.url.join(location)
