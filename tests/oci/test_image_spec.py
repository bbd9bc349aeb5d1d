"""Manifests, indexes and image configs of others are checked before they are used."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.errors import InvalidInput, RingfenceError, Unsupported
from ringfence.oci import image_spec
from ringfence.oci.digest import Digest

D = "sha256:" + "0" * 64
LAYER = {"mediaType": f"{image_spec.OCI_LAYER}+gzip", "digest": D, "size": 3}
CONFIG = {"mediaType": image_spec.OCI_CONFIG, "digest": D, "size": 2}
MANIFEST: dict[str, Any] = {"schemaVersion": 2, "config": CONFIG, "layers": [LAYER]}
INDEX: dict[str, Any] = {
    "schemaVersion": 2,
    "manifests": [{**CONFIG, "platform": {"os": "linux", "architecture": "arm"}}],
}
IMAGE_CONFIG: dict[str, Any] = {
    "os": "linux",
    "architecture": "amd64",
    "config": {"Env": ["A=1"], "Cmd": None, "Labels": {"a": "b"}, "Volumes": {"/v": {}}},
    "rootfs": {"type": "layers", "diff_ids": [D]},
    "history": [{"created_by": "x"}],
}


def test_manifest_and_index_are_told_apart() -> None:
    assert not image_spec.is_index(image_spec.parse_document(json.dumps(MANIFEST).encode(), "x"))
    assert image_spec.is_index(image_spec.parse_document(json.dumps(INDEX).encode(), "x"))
    assert image_spec.media_type(INDEX) == image_spec.OCI_INDEX
    assert image_spec.media_type({**MANIFEST, "mediaType": image_spec.DOCKER_MANIFEST}) == image_spec.DOCKER_MANIFEST


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "x: schemaVersion: is required and missing"),
        ({**MANIFEST, "config": None}, "x: config: is required and missing"),
        ({**MANIFEST, **INDEX}, "x: is both a manifest and an index"),
        ({**MANIFEST, "mediaType": image_spec.OCI_INDEX},
         f'x: mediaType: is "{image_spec.OCI_INDEX}" of {image_spec.OCI_MANIFEST} content'),
        ({**MANIFEST, "layers": [{**LAYER, "digest": "sha256:../../x"}]},
         'x: layers[0].digest: "sha256:../../x" is not a digest like sha256:<64 hexadecimal digits>'),
        ({**MANIFEST, "layers": [{**LAYER, "size": -1}]},
         'x: layers[0].size: "-1" is not between 0 and 9223372036854775807'),
        ({**INDEX, "manifests": [1]}, "x: manifests[0]: must be an object"),
    ],
)  # fmt: skip
def test_a_document_that_is_neither_is_refused(document: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        image_spec.parse_document(json.dumps(document).encode(), "x")
    assert str(refused.value) == message


def test_what_is_too_old_too_large_or_no_image_is_refused() -> None:
    with pytest.raises(Unsupported, match="x: is a Docker schema 1 manifest"):
        image_spec.parse_document(b'{"schemaVersion": 1}', "x")
    with pytest.raises(InvalidInput, match="x: is larger than a manifest may be"):
        image_spec.parse_document(b" " * (image_spec.LARGEST_DOCUMENT + 1), "x")
    chart = {**MANIFEST, "config": {**CONFIG, "mediaType": "application/vnd.cncf.helm.config.v1+json"}}
    with pytest.raises(Unsupported, match="x: is not a container image: its config is of type"):
        image_spec.check_image(chart, IMAGE_CONFIG, "x")
    with pytest.raises(Unsupported, match=r"x: layers\[0\]\.mediaType: cannot unpack"):
        image_spec.check_image({**MANIFEST, "layers": [{**LAYER, "mediaType": "x"}]}, IMAGE_CONFIG, "x")
    with pytest.raises(InvalidInput, match="the manifest has 0 layers, its image config 1"):
        image_spec.check_image({**MANIFEST, "layers": []}, IMAGE_CONFIG, "x")


def test_chain_ids_are_computed_as_the_image_spec_says() -> None:
    one, two, three = (str(Digest.of(data)) for data in (b"1", b"2", b"3"))
    first = Digest.of(f"{one} {two}".encode())
    assert image_spec.chain_ids([one, two, three]) == [one, first, Digest.of(f"{first} {three}".encode())]
    assert image_spec.chain_ids([]) == []


def test_a_descriptor_keeps_what_it_does_not_know() -> None:
    document = {**LAYER, "annotations": {"a": "b"}, "urls": ["https://x"], "data": "e30="}
    descriptor = image_spec.Descriptor.from_json(document)
    assert descriptor.to_json() == document
    assert descriptor.annotations == {"a": "b"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in inner for place in places(child, (*path, key)))]


@given(st.sampled_from([MANIFEST, INDEX, IMAGE_CONFIG]), st.data(), JSON)
def test_any_json_anywhere_is_accepted_or_refused_in_one_line(document: dict[str, Any], data: Any, value: Any) -> None:
    # Invariant: a parsed document can be used without a look at its types; anything else is refused in one line.
    changed: Any = copy.deepcopy(document)
    place = data.draw(st.sampled_from(places(document)[1:]))
    parent = changed
    for step in place[:-1]:
        parent = parent[step]
    parent[place[-1]] = value
    encoded = json.dumps(changed).encode()
    try:
        if document is IMAGE_CONFIG:
            config = image_spec.parse_image_config(encoded, "x")
            image_spec.chain_ids(config["rootfs"].get("diff_ids") or [])
        else:
            parsed = image_spec.parse_document(encoded, "x")
            inner = parsed["manifests"] if image_spec.is_index(parsed) else [parsed["config"], *parsed["layers"]]
            for each in inner:
                assert image_spec.Descriptor.from_json(each).digest.hex
    except RingfenceError as refused:
        assert str(refused).startswith("x: ") and "\n" not in str(refused)


@given(st.binary(max_size=100))
def test_any_bytes_are_refused_in_one_line(data: bytes) -> None:
    # Invariant: bytes that are no manifest raise InvalidInput that names the document; nothing else is raised.
    with pytest.raises(InvalidInput, match=r"^x: "):
        image_spec.parse_document(data, "x")
