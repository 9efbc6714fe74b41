"""Clients that send or read slowly keep a connection open but make nobody else wait."""

from __future__ import annotations

import json
import os
import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.e2e.site import LiveSite

pytestmark = pytest.mark.xdist_group("e2e")
CLIENTS = 30
"""Clients of each kind; the site has eight threads."""
SECONDS = 1.0
SOUND_BYTES = 5_000_000
"""More than the kernel buffers on behalf of the site."""


@pytest.fixture(scope="module")
def place(site: LiveSite) -> dict[str, str]:
    """A participant at a trial whose first sound is long."""
    site.prepare("study", "slow")
    found: dict[str, str] = json.loads(site.prepare("place", "slow"))
    (site.data / found["file"]).write_bytes(os.urandom(SOUND_BYTES))
    return found


def requests(place: dict[str, str]) -> dict[str, bytes]:
    """Kind of slowness → what such a client sends before it stops."""
    post = b"POST /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    form = b"Content-Type: application/x-www-form-urlencoded\r\n"
    sound = f"GET {place['sound']} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {place['cookie']}\r\n\r\n"
    return {
        "nothing": b"",
        "no end of headers": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-More: ",
        "no body": post + form + b"Content-Length: 1000\r\n\r\nlogin=",
        "no end of pieces": post + form + b"Transfer-Encoding: chunked\r\n\r\n5\r\nlogi",
        "no reading": sound.encode(),
    }


@pytest.fixture
def crowd(site: LiveSite, place: dict[str, str]) -> Iterator[list[socket.socket]]:
    """Thirty clients of each kind at once; the last thirty are those that do not read."""
    with ExitStack() as stack:
        opened = []
        for sent in requests(place).values():
            for _ in range(CLIENTS):
                client = stack.enter_context(socket.socket())
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.connect(("127.0.0.1", site.port))
                client.sendall(sent)
                opened.append(client)
        yield opened


def asked(url: str) -> float:
    """Seconds until the whole page has arrived; the best of three, as tests share two cores."""
    found = []
    for _ in range(3):
        started = time.monotonic()
        with urllib.request.urlopen(url, timeout=30) as answer:
            assert answer.status == 200
            answer.read()
        found.append(time.monotonic() - started)
    return min(found)


def test_slow_clients_do_not_block_others(site: LiveSite, crowd: list[socket.socket]) -> None:
    for pause in (1, 3, 8):
        time.sleep(pause)
        assert asked(f"{site.url}/healthz") < SECONDS
        assert asked(f"{site.url}/login/") < SECONDS


def test_a_slow_reader_gets_all_of_its_answer(
    site: LiveSite, place: dict[str, str], crowd: list[socket.socket]
) -> None:
    reader = crowd[-1]
    reader.settimeout(30)
    received = b""
    while b"\r\n\r\n" not in received:
        received += reader.recv(1024)
    head, _, body = received.partition(b"\r\n\r\n")
    size = len(body)
    while size < SOUND_BYTES:
        got = reader.recv(1 << 20)
        assert got
        size += len(got)
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert size == SOUND_BYTES


def test_a_streamed_table_comes_whole_beside_them(
    site: LiveSite, crowd: list[socket.socket]
) -> None:
    site.prepare("study", "streamed")
    token = site.prepare("token", "streamed")
    asking = urllib.request.Request(
        f"{site.url}/api/v1/studies/streamed/1/labels", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(asking, timeout=30) as answer:
        rows = [json.loads(line) for line in answer]
        policy = answer.headers["Content-Security-Policy"]
    features = {row["feature"] for row in rows}
    assert len(features) == 12
    assert "default-src 'self'" in policy
