"""Pushing: an image's blobs and manifest into a repository, as they are, so that its digests stay what they were; or
with its layers compressed, and so with another digest.

A blob that is there already is skipped; one that another repository of the registry has is mounted from it; a small one
goes in one request, a large one in parts, so that a connection that breaks costs one part.
"""

from __future__ import annotations

import threading

from ringfence.errors import NotFound
from ringfence.images.pull import short
from ringfence.oci.digest import CHUNK
from ringfence.oci.image_spec import Descriptor
from ringfence.oci.reference import Reference
from ringfence.registry.transport import Unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ringfence.content.store import ContentStore
    from ringfence.images.image import Image
    from ringfence.images.pull import Tell
    from ringfence.images.store import ImageStore
    from ringfence.registry.repository import Repository
    from ringfence.registry.transport import Url

AT_ONCE = 3
PART = 32 << 20  # bytes of one request of an upload in parts
_MOST_MOUNTS = 4  # repositories that are tried as the source of a blob


class _Part:
    """Some bytes of a blob as a request's body."""

    def __init__(self, content: ContentStore, digest: str, start: int, size: int,
                 report: Callable[[int], None]) -> None:  # fmt: skip
        self.size = size
        self._content = content
        self._digest = digest
        self._start = start
        self._report = report

    def pieces(self) -> Iterator[bytes]:
        left = self.size
        with self._content.open(self._digest) as file:
            file.seek(self._start)
            while left and (piece := file.read(min(CHUNK, left))):
                yield piece
                left -= len(piece)
                self._report(self._start + self.size - left)


def push(store: ImageStore, image: Image, repository: Repository, tag: str, tell: Tell, *, part: int = PART,
         compression: str = "") -> Descriptor:  # fmt: skip
    """Store the image in the repository, under `tag` or ("") its digest; returns the manifest's descriptor."""
    with store.content.lease():
        manifest, layers = image.descriptor, image.layers
        if compression:
            from ringfence.images.compressed import compressed

            made = compressed(store, image, compression)
            manifest, layers = made.descriptor, made.layers
        described = [Descriptor.from_json(image.manifest["config"]), *layers]
        push_blobs(store, repository, described, tell, part=part)
        repository.put_manifest(tag or str(manifest.digest), store.content.read(manifest.digest), manifest.media_type)
    return manifest


def push_blobs(store: ImageStore, repository: Repository, blobs: Sequence[Descriptor],
               tell: Tell = lambda event: None, *, part: int = PART) -> None:  # fmt: skip
    """Have the blobs, of which the first is a config, in the repository."""
    uploads = _Uploads(store.content, repository, _others(store, repository), tell, part, config=str(blobs[0].digest))
    uploads.all(list({str(blob.digest): blob for blob in blobs}.values()))


def _others(store: ImageStore, repository: Repository) -> dict[str, list[str]]:
    """By blob, other repositories of this registry that may have it, since an image here has it and their name."""
    found: dict[str, list[str]] = {}
    for image in store.list():
        names = {Reference.parse(name) for name in image.names}
        there = {name.repository for name in names if name.registry == repository.session.host} - {repository.name}
        for layer in image.layers if there else ():
            found.setdefault(str(layer.digest), []).extend(sorted(there))
    return found


class _Uploads:
    """The blobs of one push, several at once."""

    def __init__(self, content: ContentStore, repository: Repository, others: dict[str, list[str]], tell: Tell,
                 part: int, *, config: str) -> None:  # fmt: skip
        self._content = content
        self._repository = repository
        self._others = others
        self._tell = tell
        self._part = part
        self._config = config
        self._lock = threading.Lock()
        self._waiting: list[Descriptor] = []
        self._error: BaseException | None = None

    def all(self, blobs: Sequence[Descriptor]) -> None:
        """Have all of them in the repository."""
        for blob in blobs:
            self._say(blob, "Preparing")
        self._waiting = list(blobs)
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(min(AT_ONCE, len(blobs)))]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except BaseException:
            self._repository.session.transport.stop()
            raise
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting or self._error is not None:
                    return
                blob = self._waiting.pop(0)
            try:
                self._one(blob)
            except BaseException as error:
                with self._lock:
                    self._error = self._error or error
                self._repository.session.transport.stop()

    def _one(self, blob: Descriptor) -> None:
        digest = str(blob.digest)
        if self._repository.has_blob(digest):
            return self._say(blob, "Layer already exists")
        url = None
        for source in self._others.get(digest, ())[:_MOST_MOUNTS]:
            url = self._repository.mount(digest, source)
            if url is None:
                return self._say(blob, f"Mounted from {source}")
        self._upload(blob, url or self._repository.begin_upload())
        self._say(blob, "Pushed")

    def _upload(self, blob: Descriptor, url: Url) -> None:
        """In one request, or in parts; what breaks goes on where the registry says that it stands."""
        session = self._repository.session
        digest, sent = str(blob.digest), 0
        attempt, reached = 0, -1
        while True:
            try:
                if blob.size <= self._part:
                    return self._repository.finish_upload(url, digest, self._body(blob, 0, blob.size))
                while sent < blob.size:
                    size = min(self._part, blob.size - sent)
                    url = self._repository.upload_part(url, sent, self._body(blob, sent, size))
                    sent += size
                return self._repository.finish_upload(url, digest)
            except Unreachable as error:
                attempt = 1 if sent > reached else attempt + 1
                reached = sent
                if attempt > session.patience.retries or session.transport.stopped:
                    raise
                pause = session.patience.before(attempt)
                session.tell(f"{error.what}: going on in {pause:g} s ({attempt} of {session.patience.retries})")
                session.transport.wait(pause)
            if self._repository.has_blob(digest):
                return  # it was the answer that was lost
            sent, url = self._stands(blob, url, sent)

    def _stands(self, blob: Descriptor, url: Url, sent: int) -> tuple[int, Url]:
        """How much of an upload has arrived; of one that is not known any more nothing, in a new one."""
        if blob.size > self._part and sent:
            try:
                return self._repository.uploaded(url)
            except NotFound:
                session = self._repository.session
                session.tell(f"{self._repository.shown}: has forgotten the upload: it begins anew")
        return 0, self._repository.begin_upload()

    def _body(self, blob: Descriptor, start: int, size: int) -> _Part:
        def report(done: int) -> None:
            detail = {"current": done, "total": blob.size}
            if str(blob.digest) != self._config:
                self._tell({"status": "Pushing", "id": short(blob.digest), "progressDetail": detail})

        return _Part(self._content, str(blob.digest), start, size, report)

    def _say(self, blob: Descriptor, status: str) -> None:
        if str(blob.digest) != self._config:  # docker tells of layers only
            self._tell({"status": status, "id": short(blob.digest)})
