"""Archives of others are loaded whole or not at all; a bad one is one clear line, and leaves nothing behind."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.errors import Corrupt, InvalidInput, NotFound, RingfenceError, Unsupported
from ringfence.images.image import Image
from ringfence.images.load import load
from ringfence.images.save import save
from ringfence.images.store import ImageStore
from ringfence.oci.digest import Digest
from ringfence.oci.image_spec import OCI_INDEX, OCI_LAYER, OCI_MANIFEST
from ringfence.oci.platform import Platform
from tests.images.conftest import is_empty, make_image, tarball

Files = dict[str, bytes]


@pytest.fixture
def fresh(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "fresh")


def archive(files: Files, *more: tarfile.TarInfo) -> io.BytesIO:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        for entry in more:
            tar.addfile(entry)
    buffer.seek(0)
    return buffer


def link(name: str, target: str, type: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = type, target
    return entry


LAYER = tarball({"etc/x": b"x" * 100})
CONFIG = json.dumps(
    {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [Digest.of(LAYER)]}}
).encode()


def docker_files(**manifest: Any) -> Files:
    """A docker archive as docker before version 25 wrote it."""
    entry = {"Config": f"{Digest.of(CONFIG).hex}.json", "RepoTags": ["app:1"], "Layers": ["abc/layer.tar"], **manifest}
    return {
        "abc/VERSION": b"1.0",
        "abc/json": b"{}",
        "abc/layer.tar": LAYER,
        f"{Digest.of(CONFIG).hex}.json": CONFIG,
        "manifest.json": json.dumps([entry]).encode(),
        "repositories": b'{"app":{"1":"abc"}}',
    }


def oci_files(**index: Any) -> Files:
    """An OCI archive with one image."""
    layer = {"mediaType": OCI_LAYER, "digest": Digest.of(LAYER), "size": len(LAYER)}
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": Digest.of(CONFIG), "size": len(CONFIG)}
    manifest = json.dumps({"schemaVersion": 2, "config": config, "layers": [layer]}).encode()
    name = {"org.opencontainers.image.ref.name": "x.io/app:1"}
    entry = {"mediaType": OCI_MANIFEST, "digest": Digest.of(manifest), "size": len(manifest), "annotations": name}
    return {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": json.dumps({"schemaVersion": 2, "manifests": [entry], **index}).encode(),
        **{f"blobs/sha256/{Digest.of(blob).hex}": blob for blob in (LAYER, CONFIG, manifest)},
    }


def test_a_docker_archive_keeps_its_image_id(fresh: ImageStore) -> None:
    assert load(fresh, archive(docker_files())) == ["docker.io/library/app:1"]
    image = fresh.get("app:1")
    assert (image.id, image.diff_ids, image.size) == (Digest.of(CONFIG), [Digest.of(LAYER)], len(LAYER))


def test_links_inside_a_docker_archive_are_followed_inside_it(fresh: ImageStore) -> None:
    files = docker_files(Layers=["one/layer.tar"])
    assert load(
        fresh, archive(files, link("one/layer.tar", "../two/layer.tar"), link("two/layer.tar", "../abc/layer.tar"))
    )
    other = docker_files(Layers=["hard.tar"], RepoTags=["hard"])
    assert load(fresh, archive(other, link("hard.tar", "abc/layer.tar", tarfile.LNKTYPE)))


def test_an_oci_archive_keeps_its_manifest_digest(fresh: ImageStore) -> None:
    files = oci_files()
    assert load(fresh, archive(files)) == ["x.io/app:1"]
    assert fresh.get("x.io/app:1").digest == json.loads(files["index.json"])["manifests"][0]["digest"]


@pytest.mark.parametrize("compress", [gzip.compress, bytes], ids=["gzip", "plain"])
def test_an_archive_may_come_compressed_through_a_pipe(fresh: ImageStore, compress: Callable[[bytes], bytes]) -> None:
    source, sink = os.pipe()
    writer = os.fork()
    if writer == 0:
        os.close(source)
        with open(sink, "wb") as file:
            file.write(compress(archive(docker_files()).getvalue()))
        os._exit(0)
    os.close(sink)
    with open(source, "rb") as file:
        assert load(fresh, file) == ["docker.io/library/app:1"]
    assert os.waitpid(writer, 0)[1] == 0


def test_images_without_a_name_are_told_by_their_id(fresh: ImageStore) -> None:
    assert load(fresh, archive(docker_files(RepoTags=None))) == [Digest.of(CONFIG)]
    files = oci_files()
    index = json.loads(files["index.json"])
    index["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": "1"}
    files["index.json"] = json.dumps(index).encode()
    assert load(fresh, archive(files)) == [Digest.of(CONFIG)]
    assert load(fresh, archive(files), base="y.io/app") == ["y.io/app:1"]


def test_a_tag_of_its_own_counts_more_than_the_name_of_the_image_it_was_made_of(fresh: ImageStore) -> None:
    """umoci repack --image LAYOUT:changed copies all annotations but that of the tag."""
    files = oci_files()
    (first,) = json.loads(files["index.json"])["manifests"]
    keys = "io.containerd.image.name", "org.opencontainers.image.ref.name"
    manifest = json.loads(files[f"blobs/sha256/{first['digest'][7:]}"])
    second = json.dumps({**manifest, "annotations": {"a": "b"}}).encode()
    files[f"blobs/sha256/{Digest.of(second).hex}"] = second
    first["annotations"] = dict(zip(keys, ("x.io/app:1", "1"), strict=True))
    changed = {**first, "digest": Digest.of(second), "size": len(second),
               "annotations": dict(zip(keys, ("x.io/app:1", "changed"), strict=True))}  # fmt: skip
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [first, changed]}).encode()
    assert load(fresh, archive(files)) == ["x.io/app:1", "x.io/app:changed"]
    assert fresh.get("x.io/app:changed").digest == Digest.of(second)


def test_of_several_platforms_the_wanted_one_is_loaded(fresh: ImageStore) -> None:
    files = oci_files()
    here = json.loads(files["index.json"])["manifests"][0]
    del here["annotations"]
    there = {**here, "digest": Digest.of(b"not in the archive"), "platform": {"os": "linux", "architecture": "arm64"}}
    inner = json.dumps(
        {"schemaVersion": 2, "manifests": [there, {**here, "platform": {"os": "linux", "architecture": "amd64"}}]}
    ).encode()
    outer = {"mediaType": OCI_INDEX, "digest": Digest.of(inner), "size": len(inner)}
    files[f"blobs/sha256/{Digest.of(inner).hex}"] = inner
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [outer]}).encode()
    assert load(fresh, archive(files), platform=Platform.parse("linux/amd64")) == [Digest.of(CONFIG)]
    fresh = ImageStore(Path(fresh.content.path(Digest.of(b""))).parents[4] / "another")
    with pytest.raises(NotFound, match="has no image for linux/s390x"):
        load(fresh, archive(files), platform=Platform.parse("linux/s390x"))
    with pytest.raises(NotFound, match=f"archive: blob {there['digest']} is missing"):
        load(fresh, archive(files), platform=Platform.parse("linux/arm64"))
    assert is_empty(fresh)


def changed(files: Files, name: str, content: bytes | None) -> Files:
    """The files with one replaced, or removed; `layer`, `config` stand for the blobs."""
    name = {"layer": f"blobs/sha256/{Digest.of(LAYER).hex}", "config": f"blobs/sha256/{Digest.of(CONFIG).hex}"}.get(
        name, name
    )
    kept = {key: value for key, value in files.items() if key != name}
    return kept if content is None else {**kept, name: content}


BAD: list[tuple[Files, type[RingfenceError], str]] = [
    ({}, Corrupt, "x: tar archive"),
    ({"a": b"b"}, InvalidInput, "x: is neither a docker archive nor an OCI image layout"),
    (docker_files(Config="../../../etc/passwd"), InvalidInput,
     'x: path "../../../etc/passwd" points outside the archive'),
    (docker_files(Layers=["/etc/passwd"]), InvalidInput,
     'x: manifest.json: [0].Layers[0]: "/etc/passwd" is not in the archive'),
    (docker_files(Layers=["abc/../../layer.tar"]), InvalidInput,
     'x: path "abc/../../layer.tar" points outside the archive'),
    (docker_files(Layers=[]), InvalidInput,
     "x: manifest.json: [0].Layers: lists 0 layers, its image config has 1"),
    (docker_files(Layers="abc/layer.tar"), InvalidInput, "x: manifest.json: [0].Layers: must be an array"),
    (docker_files(RepoTags=["UPPER"]), InvalidInput, "x: manifest.json: [0].RepoTags[0]: invalid image reference"),
    (docker_files(Config=None), InvalidInput, "x: manifest.json: [0].Config: is required and missing"),
    (changed(docker_files(), "manifest.json", b"[]"), InvalidInput, "x: manifest.json: must not be empty"),
    (changed(docker_files(), "manifest.json", b"{"), InvalidInput, "x: manifest.json: not valid JSON"),
    (changed(docker_files(), "abc/layer.tar", None), InvalidInput,
     'x: manifest.json: [0].Layers[0]: "abc/layer.tar" is not in the archive'),
    (changed(docker_files(), "abc/layer.tar", tarball({"y": b"y"})), Corrupt, "its content has diff ID"),
    (changed(docker_files(), "abc/layer.tar", LAYER[:700]), Corrupt, "the archive ends in its middle"),
    (changed(docker_files(), f"{Digest.of(CONFIG).hex}.json", CONFIG + b" "), Corrupt, "the content has digest"),
    (changed(oci_files(), "oci-layout", None), InvalidInput, "x: has no file oci-layout: not an OCI image layout"),
    (changed(oci_files(), "oci-layout", b'{"imageLayoutVersion":"2.0.0"}'), InvalidInput,
     'x: oci-layout: imageLayoutVersion: "2.0.0" is not a version that can be read'),
    (changed(oci_files(), "index.json", None), InvalidInput, "x: has no index.json"),
    (oci_files(manifests=[]), InvalidInput, "x: holds no image"),
    (oci_files(manifests=[{"digest": "sha256:../../../../etc/passwd", "size": 1}]), InvalidInput,
     "x: index.json: manifests[0].digest: "),
    (oci_files(manifests=[{"digest": Digest.of(LAYER), "size": 1}]), Corrupt, "where 1 were announced"),
    (oci_files(manifests=[{"digest": Digest.of(LAYER), "size": len(LAYER)}]), InvalidInput, "not valid JSON"),
    (changed(oci_files(), "layer", LAYER[:-1] + b"x"), Corrupt, "the content has digest"),
    (changed(oci_files(), "layer", LAYER[:-512]), Corrupt, "the content has digest"),
    (changed(oci_files(), "layer", None), NotFound, f"x: blob {Digest.of(LAYER)} is missing"),
    (changed(oci_files(), "config", None), NotFound, f"x: blob {Digest.of(CONFIG)} is missing"),
    ({**docker_files(), "../escape": b"x"}, InvalidInput, 'x: entry "../escape" points outside the archive'),
    ({**docker_files(), "./abc/layer.tar": b"x"}, InvalidInput, 'x: entry "./abc/layer.tar" is there twice'),
]  # fmt: skip


@pytest.mark.parametrize(("files", "kind", "message"), BAD, ids=[row[2] for row in BAD])
def test_a_bad_archive_is_one_clear_line_and_leaves_nothing(
    fresh: ImageStore, files: Files, kind: type[RingfenceError], message: str
) -> None:
    data = archive(files) if files else io.BytesIO()
    with pytest.raises(kind) as refused:
        load(fresh, data, subject="x")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert is_empty(fresh)


@pytest.mark.parametrize("links", [("a", "b", "b", "a"), ("a", "../../etc/passwd"), ("a", "/etc/passwd"), ("a", "a")])
def test_links_lead_nowhere_but_into_the_archive(fresh: ImageStore, links: tuple[str, ...]) -> None:
    entries = [link(name, target) for name, target in zip(links[::2], links[1::2], strict=True)]
    with pytest.raises(InvalidInput):
        load(fresh, archive(docker_files(Layers=["a"]), *entries))
    assert is_empty(fresh)


def test_one_bad_image_of_several_keeps_all_out(fresh: ImageStore) -> None:
    files = docker_files()
    entry = json.loads(files["manifest.json"])[0]
    wrong = tarball({"y": b"y"})
    entries = [entry, {**entry, "RepoTags": ["b:1"], "Layers": ["wrong.tar"]}]
    files = {**files, "wrong.tar": wrong, "manifest.json": json.dumps(entries).encode()}
    with pytest.raises(Corrupt, match="its content has diff ID"):
        load(fresh, archive(files))
    assert is_empty(fresh)


def test_a_failed_load_leaves_what_was_there_before(store: ImageStore, image: Image) -> None:
    before = set(store.content.digests())
    with pytest.raises(Corrupt):
        load(store, archive(changed(docker_files(), "abc/layer.tar", LAYER[:700])))
    assert set(store.content.digests()) == before
    assert store.get("base:1").id == image.id


@pytest.mark.parametrize("format", ["docker-archive", "oci-archive"])
def test_an_archive_cut_off_anywhere_stores_nothing(store: ImageStore, tmp_path: Path, format: str) -> None:
    make_image(store, "a:1")
    save(store, ["a:1"], str(tmp_path / "a.tar"), format)
    whole = (tmp_path / "a.tar").read_bytes()
    end = whole.rstrip(b"\0")  # what follows the last file is only padding
    for length in (0, 1, 511, 512, 513, len(end) // 2, len(end) - 600, len(end) - 1):
        fresh = ImageStore(tmp_path / f"cut-{length}")
        with pytest.raises(RingfenceError) as refused:
            load(fresh, io.BytesIO(whole[:length]))
        assert "\n" not in str(refused.value)
        assert is_empty(fresh)
        fresh.close()


def test_a_layout_directory_is_read_without_following_links(fresh: ImageStore, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    for name, content in oci_files().items():
        (layout / name).parent.mkdir(parents=True, exist_ok=True)
        (layout / name).write_bytes(content)
    assert load(fresh, layout) == ["x.io/app:1"]
    (layout / "index.json").rename(tmp_path / "elsewhere.json")
    (layout / "index.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(RingfenceError, match=f"^{layout}/index.json: "):
        load(fresh, layout)
    (layout / "index.json").unlink()
    os.mkfifo(layout / "index.json")
    with pytest.raises(InvalidInput, match="is not a regular file"):
        load(fresh, layout)


def test_a_path_that_cannot_be_read_is_named(fresh: ImageStore, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=rf"^no such file: {tmp_path}/none$"):
        load(fresh, tmp_path / "none")
    with pytest.raises(InvalidInput, match=rf"^{tmp_path}: is neither a docker archive nor an OCI image layout$"):
        load(fresh, tmp_path)


def test_what_no_runtime_can_use_is_refused(fresh: ImageStore) -> None:
    manifest = {"schemaVersion": 2, "config": {"digest": Digest.of(CONFIG), "size": len(CONFIG)}, "layers": []}
    manifest["config"] = {**manifest["config"], "mediaType": "application/vnd.cncf.helm.config.v1+json"}  # type: ignore[dict-item]
    data = json.dumps(manifest).encode()
    files = oci_files(manifests=[{"digest": Digest.of(data), "size": len(data)}])
    files[f"blobs/sha256/{Digest.of(data).hex}"] = data
    with pytest.raises(Unsupported, match="is not a container image"):
        load(fresh, archive(files))
    assert is_empty(fresh)


WHOLE = {"docker": archive(docker_files()).getvalue(), "oci": archive(oci_files()).getvalue()}


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(WHOLE)), st.data())
def test_any_damage_to_an_archive_is_harmless_or_refused(kind: str, data: Any) -> None:
    # Invariant: a damaged archive gives the same image, or an error of one line and an empty store; nothing else.
    whole = bytearray(WHOLE[kind])
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(whole) - 1))
        whole[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    with TemporaryDirectory() as directory, closing(ImageStore(directory)) as fresh:
        try:
            load(fresh, io.BytesIO(whole))
        except RingfenceError as refused:
            assert "\n" not in str(refused)
            assert is_empty(fresh)
        else:
            assert [image.diff_ids for image in fresh.list()] == [[Digest.of(LAYER)]]


PATHS = st.sampled_from(["", ".", "..", "/", "a", "a/b", "../a", "a/../..", "abc/layer.tar", "manifest.json", "x\0y"])


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(PATHS, PATHS, max_size=4), st.lists(PATHS, max_size=2), PATHS)
def test_any_links_and_paths_lead_nowhere_outside(links: dict[str, str], layers: list[str], config: str) -> None:
    # Invariant: whatever paths a docker archive names, only its own files are stored, or nothing is.
    entries = [link(name, target) for name, target in links.items() if name and "\0" not in name + target]
    with TemporaryDirectory() as directory, closing(ImageStore(directory)) as fresh:
        try:
            load(fresh, archive(docker_files(Layers=layers, Config=config), *entries))
        except RingfenceError as refused:
            assert "\n" not in str(refused)
            assert is_empty(fresh)
        else:
            assert [image.id for image in fresh.list()] == [Digest.of(CONFIG)]
