"""A web server on this machine that misbehaves as it is told."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lit_seg.data.card import Archive


class Handler(BaseHTTPRequestHandler):
    """Answers as its server says."""

    server: "Server"

    def do_GET(self) -> None:
        site = self.server
        site.requests.append(self)
        if "/old/" in self.path:
            self.send_response(302)
            self.send_header("Location", site.moved)
            self.end_headers()
            return
        if site.status != 200:
            self.send_error(site.status)
            return
        start, size = self.start(), len(site.data)
        if start >= size:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
            self.end_headers()
            return
        body = site.data[start:]
        if site.chunked:
            self.protocol_version = "HTTP/1.1"
        self.send_response(206 if start else 200)
        if start:
            total = f"{size}" if site.tells_total else "*"
            self.send_header("Content-Range", f"bytes {start + site.shift}-{size - 1}/{total}")
        if site.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif site.tells_length:
            self.send_header("Content-Length", f"{len(body)}")
        self.end_headers()
        sent = body[: site.cuts.pop(0)] if site.cuts else body
        if site.chunked:
            end = b"\r\n0\r\n\r\n" if sent == body else b""
            sent = f"{len(body):x}\r\n".encode() + sent + end
        self.wfile.write(sent)
        self.wfile.flush()
        site.stalls and site.go_on.wait(5)

    def start(self) -> int:
        site, asked = self.server, self.headers["Range"]
        if not asked or not site.ranges:
            return 0
        return int(asked.removeprefix("bytes=").removesuffix("-"))

    def log_message(self, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[Handler] = []
        self.data = b""
        self.status = 200
        self.ranges = self.tells_length = self.tells_total = True
        self.chunked = self.stalls = False
        self.shift = 0
        self.cuts: list[int] = []  # bytes after which each answer ends; the last ones are whole
        self.go_on = threading.Event()
        self.moved = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def asked(self) -> list[str | None]:
        return [request.headers["Range"] for request in self.requests]

    def offer(self, data: bytes, name: str = "a.zip", **options: object) -> Archive:
        self.data = data
        return Archive(f"{self.url}/{name}", checksum(data), **options)


def checksum(data: bytes, algorithm: str = "md5") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"
