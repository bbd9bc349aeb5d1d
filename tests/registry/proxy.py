"""A small HTTP proxy, as a process: `python proxy.py PORT_FILE LOG TARGET`; all that is asked of it goes to TARGET.

So a test can name registries that exist nowhere. A request with `CONNECT` becomes a tunnel, any other is passed on.
"""

from __future__ import annotations

import http.server
import os
import select
import socket
import sys
import urllib.parse


class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_CONNECT(self) -> None:
        self._log()
        upstream = socket.create_connection(_target())
        self.send_response(200)
        self.end_headers()
        pairs = {self.connection: upstream, upstream: self.connection}
        while True:
            for ready in select.select(list(pairs), [], [])[0]:
                if not (data := ready.recv(65536)):
                    self.close_connection = True
                    return
                pairs[ready].sendall(data)

    def do_GET(self) -> None:
        self._log()
        asked = urllib.parse.urlsplit(self.path)
        with socket.create_connection(_target()) as upstream:
            target = f"{asked.path}?{asked.query}" if asked.query else asked.path
            lines = [f"{self.command} {target} HTTP/1.1", f"Host: {asked.netloc}", "Connection: close"]
            lines += [f"{key}: {value}" for key, value in self.headers.items() if not key.startswith(("Host", "Proxy"))]
            upstream.sendall("\r\n".join((*lines, "", "")).encode())
            while data := upstream.recv(65536):
                self.wfile.write(data)
        self.close_connection = True

    do_HEAD = do_GET

    def _log(self) -> None:
        with open(sys.argv[2], "a") as log:
            log.write(f"{self.command} {self.path} {self.headers['Proxy-Authorization']}\n")

    def log_message(self, *_words: object) -> None:
        return


def _target() -> tuple[str, int]:
    host, _, port = sys.argv[3].rpartition(":")
    return host, int(port)


if __name__ == "__main__":
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        with open(f"{sys.argv[1]}.new", "w") as file:
            file.write(str(server.server_address[1]))
        os.rename(f"{sys.argv[1]}.new", sys.argv[1])
        server.serve_forever()
