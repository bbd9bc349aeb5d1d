"""Registries to test against: Debian's docker-registry on loopback, and a server that misbehaves as it is told."""

from __future__ import annotations

import copy
import gzip
import hashlib
import http.client
import http.server
import io
import json
import socket
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from ringfence.layers import compression

OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker"
PATIENCE = 20.0  # seconds
USER, PASSWORD = "somebody", "secret"
HTPASSWD = f"{USER}:$2b$04$y9LxMfCd0XqDZl1TmWXNMOZMpJ0sm5ckKdAGSuPO9ACmHq2RwRc2O\n"


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Registry:
    """A docker-registry process, in a `with` block. `http` and `more` are parts of its configuration."""

    def __init__(self, directory: Path, http: dict[str, Any] | None = None, **more: Any) -> None:
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self._directory = directory
        self._tls = bool(http and "tls" in http)
        self._configuration = {
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(directory / "data")}, "delete": {"enabled": True}},
            "http": {"addr": self.host, **(http or {})},
            **more,
        }

    def __enter__(self) -> Self:
        file = self._directory / "registry.json"  # JSON is YAML
        file.write_text(json.dumps(self._configuration))
        with open(self._directory / "registry.log", "wb") as log:
            self._process = subprocess.Popen(["docker-registry", "serve", file], stdout=log, stderr=log)
        end = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return self
            except ConnectionRefusedError:
                assert self._process.poll() is None, (self._directory / "registry.log").read_text()
                assert time.monotonic() < end
                time.sleep(0.02)

    def __exit__(self, *_exception: object) -> None:
        self._process.kill()
        self._process.wait()

    def put_blob(self, repository: str, data: bytes) -> dict[str, Any]:
        """Store a blob; the beginning of its descriptor."""
        digest = digest_of(data)
        location = self._request("POST", f"/v2/{repository}/blobs/uploads/", b"", {})
        mark = "&" if "?" in location else "?"
        self._request("PUT", f"{location}{mark}digest={digest}", data, {"Content-Type": "application/octet-stream"})
        return {"digest": digest, "size": len(data)}

    def put_manifest(self, repository: str, reference: str, document: dict[str, Any]) -> str:
        """Store a manifest or index under a tag; its digest."""
        data = json.dumps(document, indent=3).encode()
        kind = {"Content-Type": document["mediaType"]}
        self._request("PUT", f"/v2/{repository}/manifests/{reference or digest_of(data)}", data, kind)
        return digest_of(data)

    def _request(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        said = answer.read()
        assert answer.status in (201, 202), (answer.status, said)
        location = answer.headers["Location"] or ""
        connection.close()
        return location.removeprefix(f"http://{self.host}")


def tar_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def compressed(tar: bytes, how: str) -> bytes:
    if how == "gzip":
        return gzip.compress(tar, 1, mtime=0)
    if how == "zstd":
        buffer = io.BytesIO()
        with compression.compress(buffer, "zstd") as file:
            file.write(tar)
        return buffer.getvalue()
    return tar


class Made:
    """An image's documents and blobs, as a registry is to have them."""

    def __init__(self, layers: list[dict[str, bytes]], *, how: str = "gzip", docker: bool = False,
                 architecture: str = "amd64", variant: str = "") -> None:  # fmt: skip
        tars = [tar_of(files) for files in layers]
        self.blobs = [compressed(tar, how) for tar in tars]
        self.config = json.dumps({
            "architecture": architecture, **({"variant": variant} if variant else {}), "os": "linux",
            "config": {"Cmd": ["sh"]},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(tar) for tar in tars]},
        }).encode()  # fmt: skip
        suffix = {"gzip": "gzip", "zstd": "zstd"}.get(how, "")
        kind = f"{DOCKER}.image.rootfs.diff.tar" if docker else f"{OCI}.layer.v1.tar"
        self.layer_type = kind + (("." if docker else "+") + suffix if suffix else "")
        self.manifest = {
            "schemaVersion": 2,
            "mediaType": f"{DOCKER}.distribution.manifest.v2+json" if docker else f"{OCI}.manifest.v1+json",
            "config": {
                "mediaType": f"{DOCKER}.container.image.v1+json" if docker else f"{OCI}.config.v1+json",
                "digest": digest_of(self.config),
                "size": len(self.config),
            },
            "layers": [
                {"mediaType": self.layer_type, "digest": digest_of(blob), "size": len(blob)} for blob in self.blobs
            ],
        }

    @property
    def data(self) -> bytes:
        """The manifest's bytes, as `Registry.put_manifest` sends them."""
        return json.dumps(self.manifest, indent=3).encode()

    def put(self, registry: Registry, repository: str, tag: str = "") -> str:
        """Store it in a registry; the manifest's digest."""
        for blob in (self.config, *self.blobs):
            registry.put_blob(repository, blob)
        return registry.put_manifest(repository, tag, self.manifest)


def index_of(images: dict[str, Made], *, docker: bool = False) -> dict[str, Any]:
    """An index of images by platform (os/architecture[/variant])."""
    entries = []
    for platform, image in images.items():
        os, architecture, *variant = platform.split("/")
        entries.append({
            "mediaType": image.manifest["mediaType"], "digest": digest_of(image.data), "size": len(image.data),
            "platform": {"os": os, "architecture": architecture, **({"variant": variant[0]} if variant else {})},
        })  # fmt: skip
    kind = f"{DOCKER}.distribution.manifest.list.v2+json" if docker else f"{OCI}.index.v1+json"
    return {"schemaVersion": 2, "mediaType": kind, "manifests": entries}


Answer = Callable[["Request"], None]


class Request(http.server.BaseHTTPRequestHandler):
    """One request to `Misbehaving`, with what its answers are made of."""

    protocol_version = "HTTP/1.1"
    server: Misbehaving

    def do_GET(self) -> None:
        self.server.seen.append(copy.copy(self))  # it is the next request of the connection too
        self.server.answer(self)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_GET

    def log_message(self, *_words: object) -> None:
        return

    def send(self, status: int, body: bytes = b"", *, length: int | None = None, **headers: str) -> None:
        """An answer; with another `length` than its body's it is a lie, and the connection ends."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.close_connection = self.close_connection or (length is not None and length != len(body))


class Misbehaving(http.server.ThreadingHTTPServer):
    """A registry of one image, in a `with` block; `answer` may answer otherwise than `honestly`."""

    daemon_threads = True

    def __init__(self, image: Made, answer: Answer | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.image = image
        self.host = f"127.0.0.1:{self.server_address[1]}"
        self.seen: list[Request] = []
        self.answer = answer or self.honestly
        self.closing = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, *_request: object) -> None:
        """Clients that go away in the midst of an answer are what some tests want."""

    def content(self, request: Request) -> tuple[bytes, str]:
        """The bytes that a request is for, and their media type."""
        last = request.path.rpartition("/")[2]
        if "/manifests/" in request.path:
            return self.image.data, self.image.manifest["mediaType"]  # type: ignore[return-value]
        for blob in (self.image.config, *self.image.blobs):
            if digest_of(blob) == last:
                return blob, "application/octet-stream"
        return b"", ""

    def honestly(self, request: Request) -> None:
        data, kind = self.content(request)
        if request.path == "/v2/":
            request.send(200)
        elif not kind:
            request.send(404)
        elif ranged := request.headers["Range"]:
            start = int(ranged.removeprefix("bytes=").partition("-")[0])
            part = data[start:]
            request.send(206, part, Content_Type=kind, Content_Range=f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            request.send(200, data, Content_Type=kind)
