"""The same Dockerfiles under podman (buildah) and under us, in one run: trees, image configs and exit codes.

`tests/build/constructs.py` has them. Where the two differ the construct says how and why; docs/build.md has the list.
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ringfence import Engine
from ringfence.images.unpack import unpack
from ringfence.linux.mounts import Mount, attach_nowhere
from tests import needs
from tests.build.constructs import CONSTRUCTS, CONTEXT, LINK, Construct
from tests.layers.listing import listing

PAST = 1_000_000_000  # what the files of the context and of the base were last changed
RINGFENCE = str(Path(sys.executable).with_name("ringfence"))
IMAGES = {
    "localhost/box:1": ['CMD ["sh"]', "ENV PATH=/bin"],
    "localhost/triggers:1": ["ENV PATH=/bin", "ONBUILD COPY hello.txt /triggered/", "ONBUILD RUN echo 1 > /ran"],
    "localhost/set:1": ["ENV PATH=/bin A=base B=base", 'CMD ["base"]', 'ENTRYPOINT ["/bin/base"]', "USER app",
                        "WORKDIR /srv", "VOLUME /var/data", "EXPOSE 1", "LABEL base=1", "STOPSIGNAL SIGINT"],
}  # fmt: skip


class Bench:
    """Both builders, each with the same base images in a store of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.empty = str(directory / "empty")  # below all layers, for an overlay has two at least
        os.mkdir(self.empty)
        self.engine = Engine(root=str(directory / "root"), state=str(directory / "state"))
        self._podman = ["podman", f"--root={directory}/podman", f"--runroot={directory}/podman-run"]
        tree = base_tree()
        for name, changes in IMAGES.items():
            self.engine.import_image(io.BytesIO(tree), name, change=changes)
            archive = str(directory / "image.tar")
            self.engine.save([name], archive)
            self._run([*self._podman, "load", "-q", "-i", archive], directory)
            os.unlink(archive)

    def ours(self, construct: Construct, context: Path) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Exit code, image config and tree."""
        argv = [RINGFENCE, f"--root={self.engine.root}", f"--state={self.engine.state}", "build", *construct.flags]
        done, id = self._build(argv, construct.text, context)
        if done.returncode:
            return done.returncode, {}, {}
        image = self.engine.image_store.get(id)
        unpack(image, self.engine.content, self.engine.snapshots)
        layers = [self.engine.snapshots.layer_path(chain_id) for chain_id in reversed(image.chain_ids)]
        return 0, image.config["config"], tree([*layers, self.empty])

    def theirs(self, construct: Construct, context: Path) -> tuple[int, dict[str, Any], dict[str, str]]:
        argv = [*self._podman, "build", "--isolation=chroot", "--format=docker"]
        if "--squash" not in construct.flags:
            argv.append("--layers=false")  # half the time, for the same image
        done, id = self._build([*argv, *construct.flags], construct.theirs, context)
        if done.returncode:
            return done.returncode, {}, {}
        id = id.removeprefix("sha256:")
        (found,) = json.loads(self._run([*self._podman, "image", "inspect", id], context))
        data = found["GraphDriver"]["Data"]
        layers = [data["UpperDir"], *filter(None, data.get("LowerDir", "").split(":"))]
        blob = base64.b64encode(f"sha256:{id}".encode()).decode()
        config = json.loads((self.directory / f"podman/overlay-images/{id}/={blob}").read_text())["config"]
        return 0, config, tree([*layers, self.empty])

    def close(self) -> None:
        self.engine.close()
        subprocess.run(["umount", "--lazy", self.directory / "podman/overlay"], check=False, capture_output=True)

    def _build(self, argv: list[str], text: str, context: Path) -> tuple[subprocess.CompletedProcess[str], str]:
        (context.parent / "Dockerfile").write_text(text)
        iidfile = context.parent / "iid"
        iidfile.unlink(missing_ok=True)
        argv += [f"--iidfile={iidfile}", "--file=../Dockerfile", "."]
        done = subprocess.run(argv, cwd=context, capture_output=True, text=True)
        return done, iidfile.read_text().strip() if done.returncode == 0 else ""

    def _run(self, argv: list[str], directory: Path) -> str:
        return subprocess.run(argv, cwd=directory, check=True, capture_output=True, text=True).stdout


def base_tree() -> bytes:
    """A tar: busybox with its applets, two users, and the directories and files that containers have anyway."""
    buffer = io.BytesIO()
    busybox = str(shutil.which("busybox"))
    applets = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True).stdout.split()
    files = {
        "bin/busybox": Path(busybox).read_bytes(),
        "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n",
        "etc/group": b"root:x:0:\napp:x:1000:\n",
        **{f"etc/{name}": b"" for name in ("hosts", "resolv.conf", "hostname")},
    }
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("bin", "dev", "etc", "home", "home/app", "proc", "root", "run", "srv", "sys", "tmp", "var"):
            member = tarfile.TarInfo(name)
            member.type, member.mode, member.mtime = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755, PAST
            member.uid = member.gid = 1000 if name == "home/app" else 0
            tar.addfile(member)
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(content), 0o755 if name == "bin/busybox" else 0o644, PAST
            tar.addfile(member, io.BytesIO(content))
        for name in applets:
            if name != "busybox":
                member = tarfile.TarInfo(f"bin/{name}")
                member.type, member.linkname, member.mtime = tarfile.SYMTYPE, "busybox", PAST
                tar.addfile(member)
    return buffer.getvalue()


def make_context(directory: Path, files: Mapping[str, str]) -> None:
    directory.mkdir()
    for name, content in {**CONTEXT, **files}.items():
        path = directory / name.removesuffix("+")
        path.parent.mkdir(parents=True, exist_ok=True)
        if content.startswith(LINK):
            path.symlink_to(content.removeprefix(LINK))
        else:
            path.write_text(content)
            path.chmod(0o755 if name.endswith("+") else 0o644)
    with tarfile.open(directory / "archive.tar.gz", "w:gz") as tar:
        tar.add(directory / "src", "tool", filter=lambda member: member.replace(mtime=PAST, uid=3, gid=4, deep=False))
    for path in [directory, *directory.rglob("*")]:
        os.utime(path, (PAST, PAST), follow_symlinks=False)


def tree(layers: list[str]) -> dict[str, str]:
    """The files of an image by path; a time that is not of the past is told as `now`, one of a directory not at all."""
    with attach_nowhere(Mount("overlay", "overlay", [f"lowerdir={':'.join(layers)}"])) as view:
        found = listing(f"{view.path}/.")
    del found["."]  # of which an image from scratch says nothing
    return {path: re.sub(r" mtime=\d+", "" if line.startswith("d") else _told, line) for path, line in found.items()}


def _told(match: re.Match[str]) -> str:
    return match[0] if int(match[0].partition("=")[2]) < 10**9 * (PAST + 100_000_000) else " mtime=now"


def settings(config: dict[str, Any]) -> dict[str, Any]:
    """What is set in an image config, but for the marks that buildah leaves: its version, its container's name."""
    labels = {key: value for key, value in (config.get("Labels") or {}).items() if key != "io.buildah.version"}
    return {key: value for key, value in {**config, "Labels": labels, "Hostname": ""}.items() if value}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    needs.root()
    needs.program("podman", "buildah")
    needs.static_program("busybox")
    made = Bench(tmp_path_factory.mktemp("bench"))
    yield made
    made.close()


@pytest.mark.parametrize("construct", CONSTRUCTS, ids=lambda construct: construct.name)
def test_what_is_built_is_what_podman_builds(bench: Bench, construct: Construct, tmp_path: Path) -> None:
    make_context(tmp_path / "context", construct.files)
    code, config, files = bench.ours(construct, tmp_path / "context")
    their_code, their_config, their_files = bench.theirs(construct, tmp_path / "context")
    assert (code, their_code) == (construct.code, construct.their_code)
    mine, theirs = settings(config), settings(their_config)
    seen = {f"{key}" for key in mine.keys() | theirs.keys() if mine.get(key) != theirs.get(key)}
    seen |= {f"tree:{path}" for path in files.keys() | their_files.keys() if files.get(path) != their_files.get(path)}
    assert seen == set(construct.except_for), {
        key: (mine.get(key), theirs.get(key), files.get(key[5:]), their_files.get(key[5:])) for key in sorted(seen)
    }


def test_every_difference_from_podman_is_documented() -> None:
    text = " ".join((Path(__file__).parents[2] / "docs/build.md").read_text().split())
    assert [construct.why for construct in CONSTRUCTS if construct.why not in text] == []
