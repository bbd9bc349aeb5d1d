"""Manifests as a registry may send them: any bytes are a manifest with its digest, or one clear line."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from ringfence.errors import Corrupt, InvalidInput, Unsupported
from ringfence.oci.image_spec import Descriptor
from ringfence.registry.repository import Manifest
from tests.registry.servers import Made, digest_of, index_of

GOOD = Made([{"a": b"1"}])
LEAF: st.SearchStrategy[object] = st.one_of(
    st.none(), st.integers(), st.text(max_size=5), st.builds(list), st.builds(dict)
)
DAMAGED = st.dictionaries(st.sampled_from(["mediaType", "schemaVersion", "config", "layers", "manifests"]), LEAF).map(
    lambda wrong: json.dumps({**GOOD.manifest, **wrong}).encode()
)


@given(st.binary() | DAMAGED)
def test_any_bytes_are_a_manifest_or_one_clear_line(data: bytes) -> None:
    # Invariant: a manifest or index whose descriptors can all be read, or one of three errors that names the subject.
    try:
        manifest = Manifest.parse(data, "x/y:1")
    except (InvalidInput, Unsupported, Corrupt) as error:
        assert str(error).startswith("x/y:1: ") and "\n" not in str(error)
        return
    parts = manifest.document["manifests"] if manifest.is_index else manifest.document["layers"]
    assert all(Descriptor.from_json(part).size >= 0 for part in parts)
    assert manifest.descriptor.digest == digest_of(data)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_one_changed_byte_is_noticed(position: int, change: int) -> None:
    # Invariant: bytes that differ anywhere from those that the digest was taken of are Corrupt.
    data = bytearray(json.dumps(index_of({"linux/amd64": GOOD})).encode())
    digest = digest_of(bytes(data))
    data[position % len(data)] ^= change
    try:
        Manifest.parse(bytes(data), "x/y:1", digest)
    except Corrupt:
        return
    raise AssertionError("not noticed")
