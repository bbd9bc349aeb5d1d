"""One image as the store knows it: its documents, names and sizes."""

from __future__ import annotations

from ringfence import json
from ringfence.errors import Corrupt
from ringfence.oci.digest import Digest
from ringfence.oci.image_spec import Descriptor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.content.store import ContentStore


class Image:
    """An image that the store holds.

    `id` is the digest of its image config, `digest` of its manifest (of type `media_type`); `names` are its canonical
    references; `size` is the sum of its layers' bytes when unpacked from compression; `chain_ids` name its layers'
    snapshots, bottom first. The documents are read when they are first asked for.
    """

    __slots__ = ("_config", "_content", "_manifest", "chain_ids", "digest", "id", "media_type", "names", "size")

    def __init__(
        self,
        content: ContentStore,
        *,
        id: str,
        digest: str,
        media_type: str,
        names: list[str],
        size: int,
        chain_ids: list[str],
    ) -> None:
        self._content = content
        self._config: dict[str, Any] | None = None
        self._manifest: dict[str, Any] | None = None
        self.id = id
        self.digest = digest
        self.media_type = media_type
        self.names = names
        self.size = size
        self.chain_ids = chain_ids

    @property
    def manifest(self) -> dict[str, Any]:
        if self._manifest is None:
            self._manifest = self._document(self.digest)
        return self._manifest

    @property
    def config(self) -> dict[str, Any]:
        """The whole image config; what containers inherit is its "config" member."""
        if self._config is None:
            self._config = self._document(self.id)
        return self._config

    def _document(self, digest: str) -> dict[str, Any]:
        # Verified when it was stored; every start of a container reads it, so it is not verified again.
        with self._content.open(digest) as file:
            try:
                return json.load(file)  # type: ignore[no-any-return]
            except ValueError:
                raise Corrupt(f"{digest}: is damaged on disk", hint="load the image again") from None

    @property
    def descriptor(self) -> Descriptor:
        """Of its manifest."""
        return Descriptor(self.media_type, Digest(self.digest), self._content.size(self.digest))

    @property
    def layers(self) -> list[Descriptor]:
        """The layers' descriptors, bottom first."""
        return [Descriptor.from_json(layer) for layer in self.manifest["layers"]]

    @property
    def diff_ids(self) -> list[str]:
        return list(self.config["rootfs"].get("diff_ids") or [])

    @property
    def created(self) -> str:
        """RFC 3339, or "" if the image config does not say."""
        return self.config.get("created") or ""

    @property
    def top(self) -> str:
        """The chain ID of the whole image: the snapshot that is a container's parent; "" without layers."""
        return self.chain_ids[-1] if self.chain_ids else ""

    def __repr__(self) -> str:
        return f"Image({self.id!r}, names={self.names!r})"
