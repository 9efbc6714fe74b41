"""A thousand participants at fifteen seconds per trial, compared with the same trial in oTree.

    python -m benchmarks.load [--participants 1000] [--seconds-a-trial 15] [--trials 10]
                              [--arrive 60] [--burst 15] [--otree-participants 300]

Both servers run on this machine, one after the other, with the load generator on the same two cores
(`--cores`). Ours runs under gunicorn, as in the image (two processes of eight threads), on SQLite.
oTree, installed from the package index into an environment of its own, runs its production server
with its default SQLite. In both, a trial consists of the page, its three sounds (the same files),
the answer and the page that follows; ours also posts listening events, which oTree does not have.
Participants arrive evenly over `--arrive` seconds, so that all of them are present during the
minutes after that, and wait as listeners would; oTree gets at most `--otree-participants`, since
one of its processes cannot serve a thousand. (`benchmarks.arrivals` tests arrivals at the same
instant.)

Then, for `--burst` seconds, sixteen participants at a time continue without waiting, to measure
answers per second.

It prints answers and pages per second, percentiles for every page, errors, and the processor time
of the server and of the load generator. Only pages and answers count as pages; sounds, events and
static files count as requests. It exits with 1 if the 95th percentile of one of our pages is over
300 ms, a request failed, or oTree gives more than a fifth of our answers per second.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import venv
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urljoin, urlsplit

from benchmarks.common.served import ROOT, free_port, served, wait_for

OTREE = "otree==6.0.15"
PEER = ROOT / "benchmarks" / "otree_peer"
PAGES = ("start", "consent", "instructions", "trial", "answer", "page")
"""Kinds of requests that count as pages."""
LIMIT_MS = 300.0
TIMES_OTREE = 5.0
"""How many times oTree's answers per second without waiting ours should be."""
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
LOCATION = re.compile(rb"\r\nlocation: *([^\r]*)", re.IGNORECASE)
COOKIE = re.compile(rb"\r\nset-cookie: *([^=]+)=([^;\r]*)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
AT_ONCE = 16
"""Visitors without waiting; as many as our server has threads."""
MOST_IN_BURST = 400
"""Participants without waiting."""
PREPARE = """
from tests.studyapp.factories import make_features, make_run, make_study
run = make_run(clips=20, seconds={seconds})
make_features(run, count=100)
study = make_study(run=run, slug="load", features=100, trials_per_participation={trials},
                   ratings_per_item={ratings})
from studyapp.models import Stimulus
print("\\n".join(Stimulus.objects.values_list("path", flat=True)[:3]))
"""


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


Walk = Callable[[Visitor, int, Callable[[float], None]], None]
"""Takes one visitor through the study; arguments: the visitor, its number, how it waits."""


def main() -> int:
    """Print all tables. Return 1 if a page exceeds the limit, a request failed, or oTree is too
    near."""
    options = _options()
    if options.cores:
        os.sched_setaffinity(0, {int(core) for core in options.cores.split(",")})
    pace = f"{options.trials} trials of {options.seconds_a_trial:g} s, come in {options.arrive:g} s"
    print(f"{options.participants} participants, {pace}; load average {os.getloadavg()[0]:.1f}\n")
    good, rate = _ours(options)
    if not options.without_otree:
        theirs = _theirs(options)
        if options.burst:
            times = rate / theirs
            print(f"answers per second without waiting: {times:.1f} times oTree's")
            good &= times >= TIMES_OTREE
    print(f"load average after: {os.getloadavg()[0]:.1f}")
    return 0 if good else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--participants", type=int, default=1000)
    parser.add_argument("--otree-participants", type=int, default=300, metavar="MOST")
    parser.add_argument("--seconds-a-trial", type=float, default=15.0)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--arrive", type=float, default=60.0, metavar="SECONDS")
    parser.add_argument("--burst", type=float, default=15.0, metavar="SECONDS")
    parser.add_argument(
        "--cores", default="0,1", help="cores for servers and load generator; empty for all"
    )
    parser.add_argument("--without-otree", action="store_true")
    return parser.parse_args()


def _ours(options: argparse.Namespace) -> tuple[bool, float]:
    """Whether every page was fast and no request failed; answers per second without waiting."""
    sound = options.seconds_a_trial * 0.8 / 3
    people = options.participants + MOST_IN_BURST
    with served() as site:
        ratings = -(-people * options.trials // 200) + 1
        code = PREPARE.format(seconds=sound, trials=options.trials, ratings=ratings)
        paths = site.python(code).split()
        options.sounds = [(site.data / path).read_bytes() for path in paths]
        clock = ProcessorClock(site.web)
        timings = _paced(site.url, _walk_ours(options), options.participants, options.arrive)
        _print("Earwitness", timings, clock)
        walk = _walk_ours(options, simulated=_simulation(site.python))
        rate, good = _burst(site.url, walk, options, clock)
    pages = [_percentile(values, 95) for kind, values in timings.seconds.items() if kind in PAGES]
    return max(pages) < LIMIT_MS / 1000 and not timings.errors and good, rate


def _simulation(python: Callable[[str], str]) -> str:
    """A token with which the participants of the burst can answer without listening."""
    code = (
        "from studyapp.models import Study\n"
        "from studyapp.participation.views import visitor\n"
        'print(visitor.simulation_token(Study.objects.get(slug="load")))'
    )
    return python(code).strip()


def _walk_ours(options: argparse.Namespace, simulated: str = "") -> Walk:
    # The page sends what it has at the end of every sound, and what is left before the answer:
    # without waiting, all at once.
    parts = 1 if simulated else 3

    def walk(visitor: Visitor, number: int, wait: Callable[[float], None]) -> None:
        who = {"PROLIFIC_PID": f"p{number}", "SESSION_ID": "s", "simulated": simulated}
        visitor.ask("start", "GET", f"/s/load/?{urlencode(who)}")
        page = visitor.ask("consent", "GET", "/s/load/consent/")[2].decode()
        for path in re.findall(r'(?:href|src)="(/static/[^"]+)"', page):
            visitor.ask("static", "GET", path)
        data = {"csrfmiddlewaretoken": _field(page, "csrfmiddlewaretoken")}
        wait(2)
        visitor.post_form("consent", "/s/load/consent/", data | {"decision": "agree"})
        visitor.ask("instructions", "GET", "/s/load/instructions/")
        wait(2)
        visitor.post_form("instructions", "/s/load/instructions/", data)
        for trial in range(options.trials):
            _trial_ours(visitor, trial, options.seconds_a_trial, wait, parts)

    return walk


def _trial_ours(
    visitor: Visitor, trial: int, seconds: float, wait: Callable[[float], None], parts: int
) -> None:
    page = visitor.ask("trial", "GET", "/s/load/trial/")[2].decode()
    if 'name="trial"' not in page:
        return
    token, csrf = _field(page, "trial"), _field(page, "csrfmiddlewaretoken")
    for path in re.findall(r'<audio[^>]* src="([^"]+)"', page):
        visitor.ask("sound", "GET", path)
    events = [
        {"trial": token, "clip": clip, "type": kind, "at_ms": 1000 * clip,
         "sequence": f"{token[:20]}-{clip}-{kind}"}
        for clip in (1, 2, 3) for kind in ("play", "ended")
    ]  # fmt: skip
    for part in range(parts):
        wait(seconds / parts)
        body = json.dumps(events[part * 6 // parts : (part + 1) * 6 // parts]).encode()
        given = {"Content-Type": "application/json", "X-CSRFToken": csrf}
        visitor.ask("events", "POST", "/s/load/events", body, **given)
    data = {
        "trial": token, "key": _field(page, "key"), "csrfmiddlewaretoken": csrf,
        "choice": str(1 + trial % 5), "confidence": "4", "free_text": "",
    }  # fmt: skip
    said = visitor.post_form("answer", "/s/load/trial/", data, Accept="application/json")
    if said.startswith(b"{") and (path := json.loads(said).get("next")) != "/s/load/trial/":
        visitor.ask("start", "GET", path)  # after the last trial


def _theirs(options: argparse.Namespace) -> float:
    """oTree's answers per second without waiting."""
    count = min(options.participants, options.otree_participants)
    with _otree(options.sounds, count + MOST_IN_BURST) as (url, codes, server):
        walk, clock = _walk_theirs(options, codes), ProcessorClock(server)
        _print("oTree", _paced(url, walk, count, options.arrive), clock)
        options.participants = count
        return _burst(url, walk, options, clock)[0]


def _walk_theirs(options: argparse.Namespace, codes: list[str]) -> Walk:
    def walk(visitor: Visitor, number: int, wait: Callable[[float], None]) -> None:
        where = visitor.ask("start", "GET", f"/InitializeParticipant/{codes[number]}")[1]
        statics: set[str] = set()
        for trial in range(options.trials):
            page = visitor.ask("page", "GET", urlsplit(where).path)[2].decode()
            for path in re.findall(r'(?:href|src)="(/static/[^"]+)"', page):
                if "sound" in path:
                    visitor.ask("sound", "GET", path)
                elif path not in statics:
                    visitor.ask("static", "GET", path)
                    statics.add(path)
            wait(options.seconds_a_trial)
            data = {"choice": str(1 + trial % 5), "confidence": "4", "free_text": ""}
            path = urlsplit(where).path
            where = urljoin(path, visitor.post_form("answer", path, data).decode())

    return walk


@contextmanager
def _otree(sounds: list[bytes], people: int) -> Iterator[tuple[str, list[str], int]]:
    """Run oTree's production server with a session of that many participants; yields its address,
    the participants' codes, and the server's process id."""
    with tempfile.TemporaryDirectory(prefix="ew-otree-") as folder:
        home = Path(folder)
        venv.create(home / "env", with_pip=True)
        program = home / "env" / "bin"
        pip = [str(program / "python"), "-m", "pip", "install", "--quiet", OTREE]
        subprocess.run(pip, check=True)
        project = home / "project"
        subprocess.run(["cp", "-r", str(PEER), str(project)], check=True)
        static = project / "_static" / "listening"
        static.mkdir(parents=True)
        for number, data in enumerate(sounds, start=1):
            (static / f"sound{number}.flac").write_bytes(data)
        environment = {
            "PATH": f"{program}:{os.environ['PATH']}", "OTREE_PRODUCTION": "1",
            "OTREE_ADMIN_PASSWORD": "x", "OTREE_REST_KEY": "x",
        }  # fmt: skip
        otree = str(program / "otree")
        reset = [otree, "resetdb", "--noinput"]
        subprocess.run(reset, check=True, capture_output=True, cwd=project, env=environment)
        port = free_port()
        log = (home / "otree.log").open("wb")
        serve = [otree, "prodserver1of2", str(port)]
        server = subprocess.Popen(
            serve, stdout=log, stderr=log, cwd=project, env=environment, start_new_session=True
        )
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(f"{url}/api/otree_version")
            yield url, _session(url, people), server.pid
        finally:
            # Also end its helper process, which would otherwise keep running.
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(timeout=60)
            log.close()


def _session(url: str, people: int) -> list[str]:
    """The codes of a new session's participants."""
    visitor = Visitor(url, Timings())
    headers = {"Content-Type": "application/json", "otree-rest-key": "x"}
    body = json.dumps({"session_config_name": "listening", "num_participants": people}).encode()
    made = json.loads(visitor.ask("api", "POST", "/api/sessions", body, **headers)[2])
    path = f"/api/sessions/{made['code']}"
    listed = json.loads(visitor.ask("api", "GET", path, b"", **headers)[2])
    return [one["code"] for one in listed["participants"]]


def _paced(url: str, walk: Walk, count: int, arrive: float) -> Timings:
    """Take every participant through once, arriving evenly."""
    timings = Timings()

    def one(number: int) -> None:
        time.sleep(number * arrive / count)
        visitor = Visitor(url, timings)
        walk(visitor, number, time.sleep)
        visitor.close()

    started = time.monotonic()
    _in_threads(one, count)
    timings.wall = time.monotonic() - started
    return timings


def _burst(
    url: str, walk: Walk, options: argparse.Namespace, clock: ProcessorClock
) -> tuple[float, bool]:
    """A few visitors at a time, without waiting, each taking one participant after another.

    Returns answers per second, and whether no request failed.
    """
    if not options.burst:
        return 0.0, True
    timings, lock = Timings(), threading.Lock()
    numbers = iter(range(options.participants, options.participants + MOST_IN_BURST))
    end = time.monotonic() + options.burst

    def one(_: int) -> None:
        while time.monotonic() < end:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            visitor = Visitor(url, timings)
            walk(visitor, number, lambda _: None)
            visitor.close()

    started = time.monotonic()
    _in_threads(one, AT_ONCE)
    timings.wall = time.monotonic() - started
    _print(f"without waiting, {AT_ONCE} at once", timings, clock)
    return len(timings.seconds["answer"]) / timings.wall, not timings.errors


def _in_threads(work: Callable[[int], None], count: int) -> None:
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


def _print(name: str, timings: Timings, clock: ProcessorClock) -> None:
    seconds, pages, answers = timings.wall, timings.pages(), len(timings.seconds["answer"])
    everything = sum(len(values) for values in timings.seconds.values())
    rates = (answers, len(pages), everything)
    said = "{:.1f} answers, {:.1f} pages, {:.1f} requests a second".format(
        *(n / seconds for n in rates)
    )
    server, ours = clock.lap()
    print(f"{name}: {said}; p95 of all pages {1000 * _percentile(pages, 95):.0f} ms")
    print(
        f"  processor: server {server:.1f} s, {1000 * server / max(1, answers):.1f} ms per answer; "
        f"load generator {ours:.1f} s; in {seconds:.0f} s"
    )
    print(f"  {'':<14}{'n':>7}{'p50':>9}{'p95':>9}{'p99':>9}{'errors':>8}")
    for kind, values in sorted(timings.seconds.items()):
        at = [f"{1000 * _percentile(values, share):>6.0f} ms" for share in (50, 95, 99)]
        print(f"  {kind:<14}{len(values):>7}{''.join(at)}{timings.errors.get(kind, 0):>8}")
    print(flush=True)


def _percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share / 100 * len(ordered)) - 1)] if ordered else 0.0


def _field(page: str, name: str) -> str:
    return page.partition(f'name="{name}" value="')[2].partition('"')[0]


if __name__ == "__main__":
    sys.exit(main())
