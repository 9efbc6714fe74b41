"""A local OpenID Connect service: discovery, authorization code, token by PKCE, user facts."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlparse

CLIENT, SECRET = "earwitness", "a-shared-secret"


class Service(ThreadingHTTPServer):
    """Knows one person, who is always logged in there."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.person = "0000-0002-1825-0097"
        self.challenges: dict[str, str] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_GET(self) -> None:
        asked = urlparse(self.path)
        given = {name: values[0] for name, values in parse_qs(asked.query).items()}
        if asked.path == "/.well-known/openid-configuration":
            names = {"authorization": "authorize", "token": "token", "userinfo": "userinfo"}
            found = {
                f"{name}_endpoint": f"{self.server.url}/{path}" for name, path in names.items()
            }
            return self._answer(found | {"issuer": self.server.url, "jwks_uri": "none"})
        if asked.path == "/authorize":
            assert given["client_id"] == CLIENT
            code = f"code-{len(self.server.challenges)}"
            self.server.challenges[code] = given["code_challenge"]
            query = urlencode({"code": code, "state": given["state"]})
            self.send_response(302)
            self.send_header("Location", f"{given['redirect_uri']}?{query}")
            return self.end_headers()
        if self.headers.get("Authorization") == "Bearer a-token":
            return self._answer({"sub": self.server.person, "name": "Josiah"})
        return self._answer({"error": "no token"}, 401)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        given = {name: values[0] for name, values in parse_qs(body).items()}
        hashed = hashlib.sha256(given["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(hashed).decode().rstrip("=")
        right = self.server.challenges.pop(given["code"], "") == challenge
        if not right or given["client_secret"] != SECRET:
            return self._answer({"error": "invalid_grant"}, 400)
        return self._answer({"access_token": "a-token", "token_type": "Bearer"})

    def _answer(self, content: dict[str, Any], status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def service() -> Iterator[Service]:
    """The service, running for the duration of the block."""
    server = Service()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
