"""The embedded image `host`: this machine's own programs with the libraries that they need, made without any network.

So the first container runs before any registry is asked. Equal inputs make equal digests: the layer holds nothing but
the files' content under fixed owners, modes and times.
"""

from __future__ import annotations

import os
import stat
import time

from ringfence.errors import NotFound
from ringfence.images import host_inputs
from ringfence.images.elf import Linker
from ringfence.layers.tar import DIRECTORY, LINK, SYMLINK, Member
from ringfence.layers.tar_writer import TarWriter
from ringfence.oci.image_spec import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Descriptor, encode, make_manifest
from ringfence.oci.platform import Platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from ringfence.images.host_inputs import Inputs
    from ringfence.images.image import Image
    from ringfence.images.store import ImageStore

NAME = "docker.io/library/host:latest"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_SEARCH = ("/usr/bin", "/usr/sbin", "/bin", "/sbin")
_REQUIRED = "sh", "ls", "cat"
_NAMES_OF_PROGRAMS = """
sh bash
arch b2sum base32 base64 basename cat chgrp chmod chown cksum comm cp csplit cut date dd df dir dirname du echo env
expand expr factor false fmt fold groups head hostid id install join link ln logname ls md5sum mkdir mkfifo mknod mktemp
mv nice nl nohup nproc numfmt od paste pathchk pr printenv printf ptx pwd readlink realpath rm rmdir seq sha1sum
sha224sum sha256sum sha384sum sha512sum shred shuf sleep sort split stat stdbuf stty sum sync tac tail tee test timeout
touch tr true truncate tsort tty uname unexpand uniq unlink users vdir wc who whoami yes [ chroot
find xargs grep egrep fgrep sed awk tar gzip gunzip zcat cmp diff less vi hostname getent which
ps top free kill pgrep pkill uptime vmstat watch
mount umount findmnt nsenter unshare setpriv taskset prlimit lscpu lsns flock
ip ss ping nc curl
"""
_PROGRAMS = tuple(_NAMES_OF_PROGRAMS.split())
_LIBRARIES = "libnss_files.so.2", "libnss_dns.so.2", "libgcc_s.so.1"
"""Libraries that programs open by name while they run (glibc: name look-ups, thread cancellation)."""
_DATA = (
    "/etc/ssl/certs/ca-certificates.crt",
    *(f"{directory}/{name[0]}/{name}" for directory in ("/lib/terminfo", "/usr/share/terminfo")
      for name in ("ansi", "dumb", "linux", "screen", "screen-256color", "tmux", "tmux-256color", "vt100", "xterm",
                   "xterm-256color")),
)  # fmt: skip
_DIRECTORIES = {
    **dict.fromkeys(
        ("dev", "etc", "home", "mnt", "opt", "proc", "run", "srv", "sys", "usr", "usr/bin", "usr/lib", "usr/lib64",
         "usr/local", "usr/local/bin", "usr/sbin", "usr/share", "var", "var/cache", "var/lib", "var/log"),
        0o755,
    ),
    "root": 0o700,
    "tmp": 0o1777,
    "var/tmp": 0o1777,
}  # fmt: skip
_LINKS = {"bin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib64", "sbin": "usr/sbin", "var/run": "../run"}
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "etc/group": "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
    "etc/os-release": 'ID=ringfence-host\nNAME="Ringfence host"\nPRETTY_NAME="Programs of this machine (Ringfence)"\n',
}
_PYTHON_LEFT_OUT = frozenset(
    ("__pycache__", "distutils", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages", "dist-packages",
     "test", "tests", "tkinter", "turtledemo")
)  # fmt: skip


def ensure(store: ImageStore, *, python: bool = False) -> Image:
    """The image, made anew if it is not there or if a program that it holds has changed, in about a second.

    With `python` it has Python with most of its standard library, and the name `host:python`. NotFound if this machine
    lacks even a shell, or a library that one of its programs needs.
    """
    name = NAME.replace(":latest", ":python") if python else NAME
    image = store.named(name)
    if image is not None and host_inputs.unchanged(store.data_dir, image.digest, python=python):
        return image
    contents = Contents(python=python)
    with store.content.lease():
        layer = store.content.ingest(contents.tar())
        config = store.content.ingest([encode(_image_config(layer.digest, contents.newest))])
        manifest = store.content.ingest([
            encode(make_manifest(
                Descriptor(OCI_CONFIG, config.digest, config.size), [Descriptor(OCI_LAYER, layer.digest, layer.size)]
            ))
        ])  # fmt: skip
        image = store.put(Descriptor(OCI_MANIFEST, manifest.digest, manifest.size), [name])
    inputs = [*contents.inputs, (__file__, host_inputs.state(__file__))]  # what is put in, and how, is decided here
    host_inputs.remember(store.data_dir, image.digest, inputs, python=python)
    return image


def _image_config(diff_id: str, created: int) -> dict[str, object]:
    return {
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(created)),
        **Platform.host().to_json(),
        "config": {"Env": [f"PATH={PATH}"], "Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created_by": "ringfence: programs of this machine"}],
    }


class Contents:
    """What is put into the image: `inputs` are all files that decide it (None: one that is not there), `newest` the
    latest change of any in seconds."""

    def __init__(self, *, python: bool = False) -> None:
        self.inputs: Inputs = []
        self.newest = 0
        self._files: dict[str, str] = {}  # paths in the image → those here
        self._links: dict[str, str] = dict(_LINKS)
        self._linker = Linker()
        programs = [path for name in _PROGRAMS if (path := self._program(name))]
        if python:
            programs += self._python()
        self._library_directory = _merged(
            os.path.dirname(self._linker.find("libc.so.6", programs[0]) or "/usr/lib/libc")
        )
        libraries = [path for name in _LIBRARIES if (path := self._linker.find(name, programs[0]))]
        for path in self._linker.closure(programs + libraries).keys() - set(programs):
            self._put_library(path)
        for path in _DATA:
            if self._input(path):
                self._put(_merged(path), path)

    def tar(self) -> Iterator[bytes]:
        """The layer, in pieces."""
        out = _Pieces()
        writer = TarWriter(out)
        directories = dict(_DIRECTORIES)
        for path in (*self._files, *self._links):
            while path := os.path.dirname(path):
                directories.setdefault(path, 0o755)
        writer.add(Member(b"./", DIRECTORY, mode=0o755))
        for path in sorted(directories):
            writer.add(Member(path.encode(), DIRECTORY, mode=directories[path]))
        for path in sorted(self._links):
            writer.add(Member(path.encode(), SYMLINK, mode=0o777, link=self._links[path].encode()))
        for path, text in sorted(_FILES.items()):
            writer.add(Member(path.encode(), size=len(text)), [text.encode()])
        first: dict[str, str] = {}
        for path in sorted(self._files):
            real = os.path.realpath(self._files[path])
            with open(real, "rb") as file:
                status = os.fstat(file.fileno())
                mode = 0o755 if status.st_mode & stat.S_IXUSR else 0o644  # and no setuid
                if real in first:  # with its mode, which podman gives to the file that it leads to
                    writer.add(Member(path.encode(), LINK, mode=mode, link=first[real].encode()))
                else:
                    first[real] = path
                    writer.add(Member(os.fsencode(path), mode=mode, size=status.st_size), _blocks(file))
            yield from out.take()
        writer.close()
        yield from out.take()

    def _program(self, name: str) -> str:
        """Add the program, and what it is a link to; returns its own path, or "" if this machine has it not."""
        for directory in _SEARCH:
            path = f"{directory}/{name}"
            if not self._input(path) or not os.access(path, os.R_OK | os.X_OK) or not _starts_here(path):
                continue
            real = os.path.realpath(path)
            self._put(_merged(real), real)
            if _merged(path) != _merged(real):
                self._links[_merged(path)] = f"/{_merged(real)}"
            return real
        if name in _REQUIRED:
            raise NotFound(f"this machine has no program {name} for the image host")
        return ""

    def _python(self) -> list[str]:
        """Add Python and its library; returns what of it needs other libraries."""
        program = self._program("python3")
        if not program:
            raise NotFound("this machine has no /usr/bin/python3 for the image host")
        binaries = [program]
        for directory in (f"/usr/lib/{os.path.basename(program)}", f"/usr/lib64/{os.path.basename(program)}"):
            for parent, directories, names in os.walk(directory):
                directories[:] = [
                    name for name in directories if name not in _PYTHON_LEFT_OUT and "config-" not in name
                ]
                for name in names:
                    path = f"{parent}/{name}"
                    if not name.startswith("_tkinter") and self._input(path):
                        self._put(_merged(path), path)
                        binaries += [path] * name.endswith(".so")
        return binaries

    def _put_library(self, path: str) -> None:
        """Add a library where it lies, and beside the C library if only this machine's ld.so.cache leads there."""
        self._input(path)
        self._put(_merged(path), path)
        if os.path.dirname(_merged(path)) not in (self._library_directory, "usr/lib", "usr/lib64"):
            self._put(f"{self._library_directory}/{os.path.basename(path)}", path)

    def _put(self, place: str, path: str) -> None:
        self._files.setdefault(place, path)

    def _input(self, path: str) -> bool:
        """Note a file that decides what the image holds; False if it is not there."""
        state = host_inputs.state(path)
        self.inputs.append((path, state))
        if state is not None:
            self.newest = max(self.newest, state[1] // 10**9)
        return state is not None


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(1 << 20):
        yield block


class _Pieces:
    """What a writer writes, until it is taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes | memoryview, /) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> list[bytes]:
        pieces, self._pieces = self._pieces, []
        return pieces


def _merged(path: str) -> str:
    """The place in the image: as here, but with /bin, /sbin and /lib* in /usr, as distributions have it by now."""
    path = path.lstrip("/")
    return f"usr/{path}" if path.startswith(("bin/", "sbin/", "lib")) else path


def _starts_here(path: str) -> bool:
    """Whether the image has what a program needs to start: a script may need another language than the shell's."""
    with open(path, "rb") as file:
        line = file.readline(256)
    return not line.startswith(b"#!") or line[2:].split()[:1] in ([b"/bin/sh"], [b"/bin/bash"])
