"""The image store: names, IDs, and what goes when an image goes."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from ringfence.errors import Conflict, Corrupt, InvalidInput, NotFound, RingfenceError
from ringfence.images.image import Image
from ringfence.images.import_ import import_tarball
from ringfence.images.prune import collect, prune
from ringfence.images.store import ImageStore
from ringfence.images.unpack import unpack
from ringfence.oci.image_spec import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Descriptor, encode, make_manifest
from ringfence.snapshots import Snapshotter
from tests.images.conftest import is_empty, make_image, tarball


def test_an_image_is_found_by_name_id_and_the_beginning_of_its_id(store: ImageStore, image: Image) -> None:
    names = ["base:1", "docker.io/library/base:1", f"base@{image.digest}"]
    for text in (*names, image.id, image.id[7:], image.id[7:19], image.id[:20], image.digest):
        assert store.get(text).id == image.id, text
    assert image.names == ["docker.io/library/base:1"]
    assert image.config["config"] == {"Cmd": ["sh"], "Env": ["A=1"]}
    assert image.chain_ids == image.diff_ids == [image.top]
    assert image.size == len(tarball({})) or image.size > 5000


@pytest.mark.parametrize("text", ["other", "base", "base:2", "f" * 64, "sha256:" + "f" * 64, "quay.io/base:1"])
def test_an_unknown_image_is_named(store: ImageStore, image: Image, text: str) -> None:
    with pytest.raises(NotFound) as refused:
        store.get(text)
    assert str(refused.value) == f"no such image: {text}"


def test_an_ambiguous_beginning_is_refused(store: ImageStore) -> None:
    first: dict[str, Image] = {}
    for number in range(100):
        image = make_image(store, f"image:{number}", n=str(number).encode())
        digit = image.id[7]
        if digit in first:
            with pytest.raises(InvalidInput, match=f"^image ID {digit} is ambiguous"):
                store.get(digit)
            return
        first[digit] = image
    raise AssertionError("a hundred IDs began differently")


def test_a_tag_moves_from_image_to_image(store: ImageStore, image: Image) -> None:
    other = make_image(store, "other", n=b"1")
    assert store.tag("base:1", "x.io/team/app") == "x.io/team/app:latest"
    assert store.get("x.io/team/app").id == image.id
    store.tag(other.id, "x.io/team/app:latest")
    assert store.get("x.io/team/app").id == other.id
    store.untag("x.io/team/app")
    with pytest.raises(NotFound, match=r"^no such image: x\.io/team/app$"):
        store.untag("x.io/team/app")
    for target in ("UPPER", f"a@{image.digest}"):
        with pytest.raises(InvalidInput):
            store.tag("base:1", target)
    with pytest.raises(NotFound, match=r"^no such image: nothing$"):
        store.tag("nothing", "a")


def test_removing_a_name_spares_the_image_until_its_last(store: ImageStore, image: Image) -> None:
    store.tag("base:1", "base:2")
    assert store.remove("base:1") == ["Untagged: base:1"]
    assert store.get("base:2").id == image.id
    assert store.remove("base:2") == ["Untagged: base:2", f"Deleted: {image.id}"]
    assert store.list() == []


def test_removing_by_id_takes_all_names_but_several_repositories_must_be_forced(
    store: ImageStore, image: Image
) -> None:
    store.tag("base:1", "base:2")
    store.tag("base:1", "x.io/app")
    with pytest.raises(Conflict, match=r"has several names: base:1, base:2, x\.io/app:latest"):
        store.remove(image.id)
    assert len(store.get(image.id).names) == 3
    lines = store.remove(image.id[7:19], force=True)
    assert lines == ["Untagged: base:1", "Untagged: base:2", "Untagged: x.io/app:latest", f"Deleted: {image.id}"]


def test_two_manifests_of_one_image_config_are_one_image(store: ImageStore, image: Image) -> None:
    document = {**image.manifest, "annotations": {"a": "b"}}
    blob = store.content.ingest([encode(document)])
    second = store.put(Descriptor(OCI_MANIFEST, blob.digest, blob.size), ["copy:1"])
    assert (second.id, second.digest) == (image.id, blob.digest)
    assert store.remove("base:1") == ["Untagged: base:1"]
    assert store.remove("copy:1") == ["Untagged: copy:1", f"Deleted: {image.id}"]
    assert store.list() == []


def test_a_manifest_whose_last_name_moved_to_its_twin_is_dropped(store: ImageStore, image: Image) -> None:
    blob = store.content.ingest([encode({**image.manifest, "annotations": {"a": "b"}})])
    store.put(Descriptor(OCI_MANIFEST, blob.digest, blob.size), ["base:1"])
    assert [found.digest for found in store.list()] == [blob.digest]


def test_what_is_not_whole_is_not_recorded(store: ImageStore, image: Image) -> None:
    layer = image.layers[0]
    config = Descriptor(OCI_CONFIG, store.content.ingest([encode(image.config)]).digest, 1)

    def put(*layers: Descriptor) -> None:
        blob = store.content.ingest([encode(make_manifest(config, layers))])
        store.put(Descriptor(OCI_MANIFEST, blob.digest, blob.size), ["bad:1"])

    other = store.content.ingest([tarball({"x": b"other"})])
    rubbish = store.content.ingest([b"not a tar archive" * 100])
    missing = Descriptor(OCI_LAYER, type(layer.digest)("sha256:" + "0" * 64), 3)
    for layers, kind, problem in (
        ([], InvalidInput, "the manifest has 0 layers, its image config 1"),
        ([Descriptor(OCI_LAYER, other.digest, other.size)], Corrupt, "its content has diff ID"),
        ([Descriptor(OCI_LAYER, rubbish.digest, rubbish.size)], Corrupt, f"layer {rubbish.digest}: tar archive"),
        ([missing], NotFound, "no such blob"),
    ):
        with pytest.raises(kind, match=problem):
            put(*layers)
    with pytest.raises(NotFound, match="no such image: bad:1"):
        store.get("bad:1")


def test_collecting_leaves_exactly_what_images_need(store: ImageStore, snapshotter: Snapshotter, image: Image) -> None:
    other = make_image(store, "other", n=b"1")
    for each in (image, other):
        unpack(each, store.content, snapshotter)
    store.content.ingest([b"rubbish"])
    snapshotter.prepare("unpack-left-by-a-killed-process")
    snapshotter.prepare("container", other.top)
    store.remove("other")
    assert collect(store, snapshotter) > 0
    needed = {image.digest, image.id, *(str(layer.digest) for layer in image.layers)}
    assert set(store.content.digests()) == needed
    assert {found.key for found in snapshotter.walk()} == {image.top, other.top, "container"}
    snapshotter.remove("container")
    collect(store, snapshotter)
    assert {found.key for found in snapshotter.walk()} == {image.top}


def test_pruning_takes_unnamed_images_and_with_all_the_unused_ones(store: ImageStore, snapshotter: Snapshotter) -> None:
    named, used, unnamed = (make_image(store, name, n=name.encode()) for name in ("named", "used", ""))
    pruned = prune(store, snapshotter, {used.id})
    assert pruned.lines == [f"Deleted: {unnamed.id}"]
    assert pruned.space > 5000
    pruned = prune(store, snapshotter, {used.id}, all=True)
    assert pruned.lines == ["Untagged: named:latest", f"Deleted: {named.id}"]
    assert [image.id for image in store.list()] == [used.id]


def test_damaged_documents_are_told_and_nothing_is_collected_on_their_word(
    store: ImageStore, snapshotter: Snapshotter, image: Image
) -> None:
    manifest = Path(store.content.path(image.digest))
    Path(store.content.path(image.id)).write_bytes(b"{")
    with pytest.raises(Corrupt, match=f"^{image.id}: is damaged on disk"):
        _ = store.get("base:1").config
    manifest.write_bytes(manifest.read_bytes().replace(b"layers", b"lawyer"))
    before = set(store.content.digests())
    with pytest.raises(Corrupt, match=f"^{image.digest}: the content has digest"):
        collect(store, snapshotter)
    with pytest.raises(Corrupt, match="tar archive: it is empty"):  # not what is wrong with another image
        import_tarball(store, io.BytesIO(), "x")
    assert set(store.content.digests()) >= before
    store.remove("base:1")
    collect(store, snapshotter)
    assert is_empty(store)


def test_collecting_without_waiting_gives_way_to_whoever_adds(store: ImageStore, snapshotter: Snapshotter) -> None:
    store.content.ingest([b"rubbish"])
    with ImageStore(Path(store.content.path("sha256:" + "0" * 64)).parents[3]).content.lease():
        assert collect(store, snapshotter, wait=False) == 0
    assert collect(store, snapshotter, wait=False) == 7


@pytest.mark.parametrize("data", [b"", b"short", b"x" * 1024, tarball({"a": b"x" * 3000})[:2000]])
def test_an_import_of_something_else_than_a_whole_tar_stores_nothing(store: ImageStore, data: bytes) -> None:
    with pytest.raises(Corrupt) as refused:
        import_tarball(store, io.BytesIO(data), "x")
    assert "\n" not in str(refused.value)
    assert is_empty(store)


def test_an_import_checks_its_words_before_it_reads(store: ImageStore) -> None:
    class Untouchable(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise AssertionError("read")

    for name, changes in (("UPPER", []), ("x", ["RUN y"]), ("a@sha256:" + "0" * 64, [])):
        with pytest.raises(RingfenceError):
            import_tarball(store, Untouchable(), name, changes=changes)
    assert is_empty(store)
