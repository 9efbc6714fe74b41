"""Visitors of a site who cost little themselves, and what their requests and the server took."""

from __future__ import annotations

import math
import os
import re
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit

PAGES = ("start", "consent", "instructions", "trial", "answer", "page")
"""Kinds of requests that count as pages."""
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
LOCATION = re.compile(rb"\r\nlocation: *([^\r]*)", re.IGNORECASE)
COOKIE = re.compile(rb"\r\nset-cookie: *([^=]+)=([^;\r]*)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


@dataclass
class Timings:
    """Kinds and durations of all requests, collected from all threads."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    lock: threading.Lock = field(default_factory=threading.Lock)
    wall: float = 0.0
    """Seconds from the first visitor's arrival to the last one's end."""

    def note(self, kind: str, seconds: float, *, good: bool) -> None:
        """Record one request."""
        with self.lock:
            self.seconds[kind].append(seconds)
            if not good:
                self.errors[kind] += 1

    def pages(self) -> list[float]:
        """Durations of all pages, seconds."""
        return [one for kind in PAGES for one in self.seconds.get(kind, ())]


class Visitor:
    """A minimal browser: cookies, one connection, no redirects followed.

    It speaks HTTP by itself: it shares the processor with the server, and `http.client` would take
    a third of what the server takes.
    """

    def __init__(self, url: str, timings: Timings) -> None:
        parts = urlsplit(url)
        self._address = parts.hostname or "", parts.port or 80
        self._timings = timings
        self._cookies: dict[str, str] = {}
        self._line: socket.socket | None = None

    def ask(
        self, kind: str, method: str, path: str, body: bytes = b"", **headers: str
    ) -> tuple[int, str, bytes]:
        """Status, location and body of one timed request."""
        started = time.perf_counter()
        status, location, data = self._send(method, path, body, headers)
        self._timings.note(kind, time.perf_counter() - started, good=0 < status < 400)
        return status, location, data

    def post_form(self, kind: str, path: str, data: dict[str, str], **headers: str) -> bytes:
        """The response to a submitted form, or the address to which it leads."""
        given = {"Content-Type": "application/x-www-form-urlencoded"} | headers
        _, location, body = self.ask(kind, "POST", path, urlencode(data).encode(), **given)
        return location.encode() or body

    def close(self) -> None:
        """Close the connection."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def _send(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, str, bytes]:
        given = {"Host": f"{self._address[0]}:{self._address[1]}", **headers}
        if self._cookies:
            given["Cookie"] = "; ".join(f"{name}={one}" for name, one in self._cookies.items())
        if body:
            given["Content-Length"] = str(len(body))
        lines = [f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in given.items()), "", ""]
        request = "\r\n".join(lines).encode() + body
        for attempt in (1, 2):
            fresh = self._line is None
            try:
                if self._line is None:
                    self._line = socket.create_connection(self._address, timeout=120)
                head, data = _exchange(self._line, request)
            except OSError:
                self.close()
                # Reconnect once if the server closed an idle connection meanwhile.
                if fresh or attempt == 2:
                    return 0, "", b""
                continue
            for name, value in COOKIE.findall(head):
                self._cookies[name.decode()] = value.decode()
            if CLOSE.search(head):
                self.close()
            location = LOCATION.search(head)
            return int(head[9:12]), location[1].decode() if location else "", data
        return 0, "", b""


def _exchange(line: socket.socket, request: bytes) -> tuple[bytes, bytes]:
    """Head and body of the response to a request."""
    line.sendall(request)
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0:
        part = line.recv(1 << 16)
        if not part:
            raise ConnectionError("the connection was closed")
        data += part
    head, rest = data[: end + 2], data[end + 4 :]
    length = LENGTH.search(head)
    if length is not None:
        return head, rest + _read(line, int(length[1]) - len(rest))
    if CHUNKED.search(head) is None:
        # Counted as failed; another error would end this visitor's thread, counted by nobody.
        raise ConnectionError(f"a response without a length: {head!r}")
    while not rest.endswith(b"0\r\n\r\n"):
        part = line.recv(1 << 16)
        if not part:
            raise ConnectionError("the connection was closed")
        rest += part
    parts = []
    while size := int(rest[: (start := rest.index(b"\r\n"))], 16):
        parts.append(rest[start + 2 : start + 2 + size])
        rest = rest[start + size + 4 :]
    return head, b"".join(parts)


def _read(line: socket.socket, left: int) -> bytes:
    parts = []
    while left > 0:
        parts.append(line.recv(left, socket.MSG_WAITALL))
        if not parts[-1]:
            raise ConnectionError("the connection was closed")
        left -= len(parts[-1])
    return b"".join(parts)


def in_threads(work: Callable[[int], None], count: int) -> None:
    """Call `work` with each number below `count`, all at once."""
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class ProcessorClock:
    """Processor seconds of the server (a process with its children) and of this program."""

    def __init__(self, server: int) -> None:
        self._server = server
        self._before = self._seconds()

    def lap(self) -> tuple[float, float]:
        """Seconds of the server and of this program since the last lap."""
        now, before = self._seconds(), self._before
        self._before = now
        return now[0] - before[0], now[1] - before[1]

    def _seconds(self) -> tuple[float, float]:
        ticks, children = 0, {self._server}
        # A child is started after its parent, and usually has a higher number.
        for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdecimal()):
            with suppress(OSError):
                stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                if pid in children or int(stat[1]) in children:
                    children.add(pid)
                    ticks += sum(int(one) for one in stat[11:15])
        return ticks / os.sysconf("SC_CLK_TCK"), time.process_time()


def show(name: str, timings: Timings, clock: ProcessorClock) -> None:
    """Print rates, processor time, and percentiles by kind of request."""
    seconds, pages, answers = timings.wall, timings.pages(), len(timings.seconds["answer"])
    everything = sum(len(values) for values in timings.seconds.values())
    rates = (answers, len(pages), everything)
    said = "{:.1f} answers, {:.1f} pages, {:.1f} requests a second".format(
        *(n / seconds for n in rates)
    )
    server, ours = clock.lap()
    print(f"{name}: {said}; p95 of all pages {1000 * percentile(pages, 95):.0f} ms")
    print(
        f"  processor: server {server:.1f} s, {1000 * server / max(1, answers):.1f} ms per answer; "
        f"load generator {ours:.1f} s; in {seconds:.0f} s"
    )
    print(f"  {'':<14}{'n':>7}{'p50':>9}{'p95':>9}{'p99':>9}{'errors':>8}")
    for kind, values in sorted(timings.seconds.items()):
        at = [f"{1000 * percentile(values, share):>6.0f} ms" for share in (50, 95, 99)]
        print(f"  {kind:<14}{len(values):>7}{''.join(at)}{timings.errors.get(kind, 0):>8}")
    print(flush=True)


def percentile(values: list[float], share: float) -> float:
    """The value that `share` per cent do not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share / 100 * len(ordered)) - 1)] if ordered else 0.0
