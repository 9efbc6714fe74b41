"""A proxy that loses requests: before the server gets them, while it works, or after it answered.

One request per connection, plain HTTP/1.1. A share of all requests is cut, in equal parts:

- `before`: the request never reaches the server;
- `during`: the server gets all of it, but the caller is cut off while the server works;
- `after`: the server's answer is read to its end, half of it is passed on, then the line is cut.
"""

from __future__ import annotations

import socket
import socketserver
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

KINDS = ("before", "during", "after")
WAIT_SECONDS = 60.0
END = b"\r\n\r\n"


class LossyProxy(socketserver.ThreadingTCPServer):
    """A proxy in front of a server on this machine; `lost` counts what was cut, by kind."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, upstream: int, *, share: float = 0.2, seed: int = 0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream, self.share = upstream, share
        self.passed = 0
        self.lost: Counter[str] = Counter()
        self._random, self._lock = Random(seed), threading.Lock()

    @property
    def url(self) -> str:
        """The proxy's URL."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def fate(self) -> str:
        """What happens to the next request: a kind of loss, or an empty string."""
        with self._lock:
            lost = self._random.random() < self.share
            kind = self._random.choice(KINDS) if lost else ""
            if kind:
                self.lost[kind] += 1
            else:
                self.passed += 1
            return kind


class _Handler(socketserver.BaseRequestHandler):
    server: LossyProxy

    def handle(self) -> None:
        """Handle one request; a caller that has gone away is ignored."""
        try:
            self._handle()
        except OSError:
            return

    def _handle(self) -> None:
        self.request.settimeout(WAIT_SECONDS)
        asked = _message(self.request)
        if not asked:
            return
        fate = self.server.fate()
        if fate == "before":
            return
        address = ("127.0.0.1", self.server.upstream)
        with socket.create_connection(address, timeout=WAIT_SECONDS) as server:
            server.sendall(_closing(asked))
            if fate == "during":
                _cut(self.request)
                _to_end(server)
                return
            answer = _to_end(server)
        self.request.sendall(answer[: len(answer) // 2] if fate == "after" else answer)


def _message(line: socket.socket) -> bytes:
    """A whole request: its head, and as many bytes of body as the head announces."""
    data = b""
    while END not in data:
        part = line.recv(65_536)
        if not part:
            return b""
        data += part
    head, _, body = data.partition(END)
    length = _length(head)
    while len(body) < length:
        part = line.recv(65_536)
        if not part:
            return b""
        body += part
    return head + END + body


def _length(head: bytes) -> int:
    for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:]):
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


def _closing(asked: bytes) -> bytes:
    """The request, with a header that closes the connection after it."""
    head, _, body = asked.partition(END)
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([*lines, b"Connection: close"]) + END + body


def _to_end(server: socket.socket) -> bytes:
    parts = []
    while part := server.recv(65_536):
        parts.append(part)
    return b"".join(parts)


def _cut(line: socket.socket) -> None:
    """Reset the connection at once, for the other side too."""
    try:
        line.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


@contextmanager
def lossy(upstream: int, *, share: float = 0.2, seed: int = 0) -> Iterator[LossyProxy]:
    """The proxy, running for the duration of the block."""
    proxy = LossyProxy(upstream, share=share, seed=seed)
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()
