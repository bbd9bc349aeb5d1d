"""A web service in Python as people ship it: built with pip from an index, run, pushed, pulled elsewhere, run there."""

from __future__ import annotations

import functools
import http.server
import io
import sysconfig
import threading
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ringfence.build import build
from tests import needs
from tests.registry.servers import Registry, free_port

if TYPE_CHECKING:
    from ringfence import Engine

DOCKERFILE = """FROM host:python
WORKDIR /app
COPY requirements.txt .
ARG INDEX
RUN --mount=type=bind,from=pip,target=/tmp/pip/pip PYTHONPATH=/tmp/pip \\
    python3 -m pip install --quiet --no-cache-dir --disable-pip-version-check --root-user-action ignore \\
    --index-url "$INDEX" --target lib -r requirements.txt
ENV PYTHONPATH=/app/lib
COPY service.py .
EXPOSE 8000
CMD ["python3", "service.py"]
"""
SERVICE = """import http.server, os, greeting
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(greeting.TEXT)
    def log_message(self, *words): pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """A package index (PEP 503) with the package `greeting`."""
    place = tmp_path / "index/simple/greeting"
    place.mkdir(parents=True)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as wheel:
        information = "greeting-1.0.dist-info"
        wheel.writestr("greeting.py", 'TEXT = b"hello from a package"\n')
        wheel.writestr(f"{information}/METADATA", "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n")
        wheel.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{information}/RECORD", "")
    (place / "greeting-1.0-py3-none-any.whl").write_bytes(buffer.getvalue())
    page = '<a href="greeting-1.0-py3-none-any.whl">greeting-1.0-py3-none-any.whl</a>'
    (place / "index.html").write_text(page)
    handler = functools.partial(_Quiet, directory=str(tmp_path / "index"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/simple/"
        server.shutdown()
        thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *words: object) -> None:
        return


def answer(engine: Engine, image: str) -> bytes:
    """What the service says when it runs."""
    port = free_port()
    container = engine.run(image, detach=True, network="host", env=[f"PORT={port}"])
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as response:
                    return bytes(response.read())
            except OSError:
                assert time.monotonic() < deadline, list(engine.logs(container.id))
                time.sleep(0.05)
    finally:
        engine.rm(container.id, force=True)


def test_a_web_service_is_built_run_pushed_and_run_elsewhere(engine: Engine, index: str, tmp_path: Path) -> None:
    needs.program("docker-registry")
    from ringfence import Engine as Elsewhere

    context = tmp_path / "context"
    context.mkdir()
    for name, text in {"Dockerfile": DOCKERFILE, "service.py": SERVICE, "requirements.txt": "greeting==1.0\n"}.items():
        (context / name).write_text(text)
    pip = f"pip={sysconfig.get_path('purelib')}/pip"
    with Registry(tmp_path) as registry:
        name = f"{registry.host}/service:1"
        build(engine, str(context), tag=[name], push=True, build_arg=[f"INDEX={index}"], build_context=[pip])
        assert answer(engine, name) == b"hello from a package"
        pushed = engine.image_store.get(name).digest
        with Elsewhere(f"{engine.root}-elsewhere", f"{engine.state}-elsewhere") as other:
            other.pull(name)
            assert other.image_store.get(name).digest == pushed
            assert answer(other, name) == b"hello from a package"
