"""Image documents: descriptors, manifests, indexes and image configs (image-spec 1.1; Docker's schema 2 alike).

What is parsed here was written by others and is checked before it is used; unknown properties are kept and ignored.
"""

from __future__ import annotations

from ringfence import json
from ringfence.errors import InvalidInput, Unsupported
from ringfence.oci.digest import Digest, printable
from ringfence.oci.shape import Mismatch, any_object, array, integer, mapping, parse_json, record, require, string

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"

MANIFESTS = (OCI_MANIFEST, DOCKER_MANIFEST)
INDEXES = (OCI_INDEX, DOCKER_INDEX)
CONFIGS = (OCI_CONFIG, DOCKER_CONFIG)
# Layer media type → its compression; "+gzip" is OCI's way to say it, ".gzip" Docker's. "Foreign" and
# "nondistributable" layers are ordinary ones that registries do not hand out.
LAYERS = {
    OCI_LAYER: "",
    f"{OCI_LAYER}+gzip": "gzip",
    f"{OCI_LAYER}+zstd": "zstd",
    "application/vnd.oci.image.layer.nondistributable.v1.tar": "",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": "gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd": "zstd",
    DOCKER_LAYER: "",
    f"{DOCKER_LAYER}.gzip": "gzip",
    f"{DOCKER_LAYER}.zstd": "zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip": "gzip",
}
REF_NAME = "org.opencontainers.image.ref.name"  # in an image layout's index: the tag, or a whole reference
IMAGE_NAME = "io.containerd.image.name"  # containerd's and docker's whole reference
LARGEST_DOCUMENT = 4 << 20  # bytes: what registries accept as a manifest; a config of 4 MiB is no config either


class Descriptor:
    """Names a blob by media type, digest and size in bytes; the other properties are in `extra`, as they were."""

    __slots__ = ("digest", "extra", "media_type", "size")

    def __init__(self, media_type: str, digest: Digest, size: int, extra: Mapping[str, Any] | None = None) -> None:
        self.media_type = media_type
        self.digest = digest
        self.size = size
        self.extra = dict(extra or {})

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Descriptor:
        """From JSON that fits the shape of a descriptor."""
        extra = {key: value for key, value in document.items() if key not in ("mediaType", "digest", "size")}
        return cls(document.get("mediaType") or "", Digest(document["digest"]), document["size"], extra)

    def to_json(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": str(self.digest), "size": self.size, **self.extra}

    @property
    def annotations(self) -> dict[str, str]:
        return self.extra.get("annotations") or {}

    def __repr__(self) -> str:
        return f"Descriptor({self.media_type!r}, {str(self.digest)!r}, {self.size})"


def _digest(value: Any) -> None:
    string(value)
    try:
        Digest(value)
    except InvalidInput as error:
        raise Mismatch(error.what) from None


_STRINGS = array(string)
_DESCRIPTOR = record(
    {
        "mediaType": string,
        "digest": _digest,
        "size": integer(0, 2**63 - 1),
        "annotations": mapping(string),
        "platform": record({"os": string, "architecture": string, "variant": string}),
    },
    required=("digest", "size"),
)
_MANIFEST = record(
    {
        "schemaVersion": integer(2, 2),
        "mediaType": string,
        "config": _DESCRIPTOR,
        "layers": array(_DESCRIPTOR),
        "annotations": mapping(string),
    },
    required=("schemaVersion", "config", "layers"),
)
_INDEX = record(
    {
        "schemaVersion": integer(2, 2),
        "mediaType": string,
        "manifests": array(_DESCRIPTOR),
        "annotations": mapping(string),
    },
    required=("schemaVersion", "manifests"),
)
IMAGE_CONFIG = record(
    {
        "architecture": string,
        "os": string,
        "variant": string,
        "created": string,
        "author": string,
        "config": record(
            {
                "User": string,
                "Env": _STRINGS,
                "Entrypoint": _STRINGS,
                "Cmd": _STRINGS,
                "WorkingDir": string,
                "Labels": mapping(string),
                "Volumes": mapping(any_object),
                "ExposedPorts": mapping(any_object),
                "StopSignal": string,
                "Shell": _STRINGS,
                "OnBuild": _STRINGS,
                "Healthcheck": any_object,
            }
        ),
        "rootfs": record({"type": string, "diff_ids": array(_digest)}, required=("diff_ids",)),
        "history": array(record({"created": string, "created_by": string, "comment": string, "author": string})),
    },
    required=("rootfs",),
)


def parse_document(data: bytes, subject: str) -> dict[str, Any]:
    """A manifest or an index: whichever of the two it says and is; InvalidInput for anything else."""
    if len(data) > LARGEST_DOCUMENT:
        raise InvalidInput(f"{subject}: is larger than a manifest may be ({LARGEST_DOCUMENT} bytes)")
    document = parse_json(data, subject)
    require(document, any_object, subject)
    index = document.get("manifests") is not None
    # CVE-2021-41190: a document that is both would be one thing to who verifies it and another to who runs it.
    if index and (document.get("layers") is not None or document.get("config") is not None):
        raise InvalidInput(f"{subject}: is both a manifest and an index")
    if document.get("schemaVersion") == 1:
        raise Unsupported(f"{subject}: is a Docker schema 1 manifest", hint="convert it with an older docker or skopeo")
    require(document, _INDEX if index else _MANIFEST, subject)
    kinds = INDEXES if index else MANIFESTS
    if (document.get("mediaType") or kinds[0]) not in kinds:
        raise InvalidInput(f'{subject}: mediaType: is "{printable(document["mediaType"])}" of {kinds[0]} content')
    return document  # type: ignore[no-any-return]


def is_index(document: Mapping[str, Any]) -> bool:
    return document.get("manifests") is not None


def media_type(document: Mapping[str, Any]) -> str:
    """What the parsed document is: its own word, else OCI's name for its kind."""
    return document.get("mediaType") or (OCI_INDEX if is_index(document) else OCI_MANIFEST)


def parse_image_config(data: bytes, subject: str) -> dict[str, Any]:
    """An image config, checked; InvalidInput otherwise."""
    document = parse_json(data, subject)
    require(document, IMAGE_CONFIG, subject)
    return document  # type: ignore[no-any-return]


def check_image(manifest: Mapping[str, Any], config: Mapping[str, Any], subject: str) -> None:
    """That a parsed manifest is one of a container image that we can unpack, and that its config belongs to it."""
    kind = manifest["config"].get("mediaType") or OCI_CONFIG
    if kind not in CONFIGS:
        raise Unsupported(f'{subject}: is not a container image: its config is of type "{printable(kind)}"')
    for index, layer in enumerate(manifest["layers"]):
        kind = layer.get("mediaType") or OCI_LAYER
        if kind not in LAYERS:
            raise Unsupported(f'{subject}: layers[{index}].mediaType: cannot unpack "{printable(kind)}"')
    diff_ids = config["rootfs"]["diff_ids"]
    if len(diff_ids) != len(manifest["layers"]):
        counts = f"{len(manifest['layers'])} layers, its image config {len(diff_ids)}"
        raise InvalidInput(f"{subject}: does not fit together: the manifest has {counts}")


def chain_ids(diff_ids: Iterable[str]) -> list[str]:
    """The chain ID of each layer together with those below it, bottom first (image-spec, config.md#layer-chainid)."""
    chain: list[str] = []
    for diff_id in diff_ids:
        chain.append(Digest.of(f"{chain[-1]} {diff_id}".encode()) if chain else str(diff_id))
    return [str(chain_id) for chain_id in chain]


def oci_layer(compression: str) -> str:
    """OCI's media type of a layer with that compression ("" or "none", "gzip", "zstd")."""
    return OCI_LAYER if compression in ("", "none") else f"{OCI_LAYER}+{compression}"


def make_manifest(
    config: Descriptor, layers: Sequence[Descriptor], annotations: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """An OCI image manifest."""
    return {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config.to_json(),
        "layers": [layer.to_json() for layer in layers],
        **({"annotations": dict(sorted(annotations.items()))} if annotations else {}),
    }


def encode(document: Mapping[str, Any] | Sequence[Any]) -> bytes:
    """The bytes of a document that we make: compact, keys as given, so that equal content has equal digests."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
