"""What goes between obstore and a server, counted; and broken off, where a test wants that."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_BLOCK = 64 << 10
_OF_CONNECTION = ("connection", "keep-alive", "transfer-encoding")


class Proxy(ThreadingHTTPServer):
    """Passes requests on to a port of this machine, with their own Host header: signatures stay right.

    Breaks all connections off when more than `stop_after` bytes were sent, and forbids requests with `refused` in them.
    """

    daemon_threads = True

    def __init__(self, port: int, drop: tuple[str, ...] = ()) -> None:
        """Without the request headers `drop`."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = port
        self.drop = drop
        self.requests: list[tuple[str, str]] = []
        self.received = 0
        self.sent = 0
        self.stop_after: int | None = None
        self.refused: str | None = None
        self.is_stopped = threading.Event()
        self.lock = threading.Lock()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def count_sent(self, length: int) -> bool:
        """Count what a client has sent; whether it may go on."""
        with self.lock:
            self.sent += length
            if self.stop_after is not None and self.sent > self.stop_after:
                self.is_stopped.set()
        return not self.is_stopped.is_set()

    def handle_error(self, *_: object) -> None:
        """A connection that broke off is what a test wanted."""


@contextlib.contextmanager
def proxy_to(port: int, drop: tuple[str, ...] = ()) -> Iterator[Proxy]:
    """A proxy that runs."""
    with Proxy(port, drop) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def _pass_on(self) -> None:
        if self.server.is_stopped.is_set():
            self.close_connection = True
            return
        with self.server.lock:
            self.server.requests.append((self.command, self.path))
        if self.server.refused and self.server.refused in self.path:
            self._refuse()
            return
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.upstream)
        with contextlib.closing(upstream):
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in (*_OF_CONNECTION, *self.server.drop):
                    upstream.putheader(name, value)
            upstream.endheaders()
            if self._send_body(upstream):
                self._answer(upstream.getresponse())

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on

    def _refuse(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response_only(403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send_body(self, upstream: http.client.HTTPConnection) -> bool:
        left = int(self.headers.get("Content-Length", 0))
        while left:
            block = self.rfile.read(min(left, _BLOCK))
            if not block or not self.server.count_sent(len(block)):
                self.close_connection = True
                return False
            upstream.send(block)
            left -= len(block)
        return True

    def _answer(self, answer: http.client.HTTPResponse) -> None:
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.headers.items():
            if name.lower() not in _OF_CONNECTION:
                self.send_header(name, value)
        if answer.headers.get("Content-Length") is None:
            # Its end is that of the connection.
            self.send_header("Connection", "close")
        self.end_headers()
        while block := answer.read(_BLOCK):
            with self.server.lock:
                self.server.received += len(block)
            self.wfile.write(block)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
