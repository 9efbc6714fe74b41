"""Requests as a web server passes them on: bytes in, a status out, nothing cleaned up between."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from django.core.signals import request_finished, request_started
from django.db import close_old_connections


def status(path: str, *, method: str = "GET", body: bytes = b"", **environ: Any) -> int:
    """The status of the response; `environ` adds to the WSGI variables of every request."""
    found: list[str] = []
    given: dict[str, Any] = {
        "REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "",
        "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1", "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(), "CONTENT_LENGTH": str(len(body)),
    }  # fmt: skip
    with _connection_kept():
        answer = _application()(given | environ, lambda line, *_: found.append(line))
        try:
            for _ in answer:
                pass
        finally:
            answer.close()
    return int(found[0][:3])


@contextmanager
def _connection_kept() -> Iterator[None]:
    """The test's own connection outlives the request, as with Django's client."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    try:
        yield
    finally:
        for signal in signals:
            signal.connect(close_old_connections)


@cache
def _application() -> Any:
    """Created on first use, since it needs the folder of static files."""
    before = os.umask(0o077)
    os.umask(before)
    from studyapp.wsgi import application

    os.umask(before)
    return application
