"""A local server with the part of Prolific's API that is used: submissions."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

TOKEN = "a-researchers-token"


class Prolific(ThreadingHTTPServer):
    """Serves the submissions of one study; if `broken` is set, every response has that status."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.submissions: list[dict[str, Any]] = []
        self.broken = 0
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def submit(self, pid: str, session: str, status: str) -> None:
        self.submissions.append({"id": session, "participant_id": pid, "status": status})


class Handler(BaseHTTPRequestHandler):
    server: Prolific

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        address = urlparse(self.path)
        given = {name: values[0] for name, values in parse_qs(address.query).items()}
        if self.server.broken:
            return self._answer(self.server.broken, {"error": "broken"})
        if self.headers.get("Authorization") != f"Token {TOKEN}":
            return self._answer(401, {"error": "no token"})
        if address.path.startswith("/api/v1/submissions/") and not address.query:
            return self._one(address.path.split("/")[-2])
        if address.path != "/api/v1/submissions/" or given.get("study") != "their-study":
            return self._answer(404, {"error": "unknown"})
        size, page = int(given["page_size"]), int(given["page"])
        part = self.server.submissions[size * (page - 1) : size * page]
        return self._answer(200, {"results": part})

    def _one(self, session: str) -> None:
        found = [one for one in self.server.submissions if one["id"] == session]
        if not found:
            return self._answer(404, {"error": "unknown"})
        return self._answer(200, found[0] | {"study_id": "their-study"})

    def _answer(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def prolific() -> Iterator[Prolific]:
    """The server, running for the duration of the block."""
    server = Prolific()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
