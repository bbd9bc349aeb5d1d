"""A token service for docker-registry: signs what it is asked for, for one user, with a certificate made by openssl."""

from __future__ import annotations

import base64
import http.server
import json
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.registry.servers import PASSWORD, USER


def certificate(directory: Path, name: str = "127.0.0.1") -> tuple[Path, Path]:
    """A key and a self-signed certificate for the address."""
    key, made = directory / "key.pem", directory / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
         "-addext", f"subjectAltName=IP:{name}", "-keyout", key, "-out", made],
        check=True, capture_output=True,
    )  # fmt: skip
    return key, made


class TokenService(http.server.ThreadingHTTPServer):
    """In a `with` block; `asked` are the queries it was asked with. Only USER may push."""

    daemon_threads = True

    def __init__(self, directory: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.key, self.certificate = certificate(directory)
        self.asked: list[dict[str, list[str]]] = []
        self.settings = {
            "token": {
                "realm": f"http://127.0.0.1:{self.server_address[1]}/token",
                "service": "tests",
                "issuer": "tests",
                "rootcertbundle": str(self.certificate),
            }
        }

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.shutdown()
        self.server_close()

    def sign(self, claims: dict[str, Any]) -> str:
        der = base64.b64encode(base64.b64decode("".join(self.certificate.read_text().split("\n")[1:-2]))).decode()
        parts = [{"typ": "JWT", "alg": "RS256", "x5c": [der]}, claims]
        text = ".".join(_url64(json.dumps(part).encode()) for part in parts)
        signing = ["openssl", "dgst", "-sha256", "-sign", str(self.key)]
        done = subprocess.run(signing, input=text.encode(), capture_output=True, check=True)
        return f"{text}.{_url64(done.stdout)}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: TokenService

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        self.server.asked.append(query)
        known = self.headers["Authorization"]
        if known and known != "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode():
            return self.send(401, {"details": "incorrect username or password"})
        access = []
        for scope in query.get("scope", ()):
            kind, name, actions = scope.split(":")
            allowed = [action for action in actions.split(",") if known or action == "pull"]
            access.append({"type": kind, "name": name, "actions": allowed})
        now = int(time.time())
        claims = {"iss": "tests", "sub": USER, "aud": "tests", "exp": now + 300, "nbf": now - 10, "iat": now,
                  "jti": str(time.time_ns()), "access": access}  # fmt: skip
        self.send(200, {"access_token": self.server.sign(claims), "expires_in": 300})

    def send(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        return


def _url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
