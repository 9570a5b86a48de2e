"""A webhook receiver as a program: answers as it is told on its path, and writes down each request as a JSON line.

    python receiver.py FILE [CERTIFICATE KEY]

Prints its port. Paths: /200 /410 /301 …: that status; /flaky: 500 first, then 200; /slow: an answer that never ends.
"""

import http.server
import json
import pathlib
import ssl
import sys
import threading

seen: dict[str, int] = {}
lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    """One request."""

    def do_POST(self) -> None:
        """Note it, then answer."""
        body = self.rfile.read(int(self.headers["content-length"]))
        told = {"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}, "body": body.decode()}
        with lock:
            seen[self.path] = seen.get(self.path, 0) + 1
            with pathlib.Path(sys.argv[1]).open("a") as file:
                file.write(json.dumps(told) + "\n")
        word = self.path.strip("/").split("/")[0]
        if word == "slow":
            self.send_response(200)
            self.end_headers()
            threading.Event().wait()
        status = (500 if seen[self.path] == 1 else 200) if word == "flaky" else int(word)
        self.send_response(status)
        if status == 301:
            self.send_header("Location", "/200/followed")
        if status == 503:
            self.send_header("Retry-After", "4000")
        answer = b"x" * 100_000 if status == 200 and "large" in self.path else b"noted"
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    http.server.ThreadingHTTPServer.request_queue_size = 256
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if len(sys.argv) > 2:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2], sys.argv[3])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_address[1], flush=True)
    server.serve_forever()
