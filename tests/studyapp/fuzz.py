"""Odd requests to every URL, drawn from a seed; every 5xx is reported with its traceback.

A request is a valid one (the URL of an existing row, fields of its forms, a caller with access) in
which one or two parts are replaced by something that no browser would send.
"""

from __future__ import annotations

import json
import random
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_from_bytes

from django.core.signals import got_request_exception
from django.db import transaction
from django.urls import NoReverseMatch, reverse

from tests.studyapp.routes import Route, routes
from tests.studyapp.two_projects import Caller, Side
from tests.studyapp.wire import status

ODD: tuple[bytes, ...] = (
    b"", b"\0", b"a\0b", b"\xed\xa0\x80", b"\xff\xfe", b"\xc0\xaf", "é".encode(), "💣".encode(),
    "٣".encode(), "²".encode(), "\u202e".encode(), b"9" * 18, b"9" * 19, b"9" * 31, b"9" * 5000,
    b"-1", b"0", b"1.5", b"1e999", b"NaN", b"inf", b"-inf", b"1_000", b"0x10", b"null", b"true",
    b"[]", b"{}", b"../../etc/passwd", b"%00", b"%", b"%%s%n", b"a" * 10_000, b"=cmd|x",
    b"<script>", b"\r\nX: y", b"\n", b" ", b"'", b'"', b"';--", b"~nobody", b"/" * 300,
    b"a/" * 2000, b"\x7f",
    b"\x1b[2J", b"1,2", b"None", b"2026-13-45", b"2026-11-30T25:00", b"A" * 300, b"\xef\xbb\xbfa",
)  # fmt: skip
FIELDS = (
    "choice", "confidence", "free_text", "trial", "key", "decision", "token", "count", "language",
    "name", "config", "config_file", "project", "runs", "saes", "methods", "features_wanted",
    "seed", "strata", "slug", "title_", "further", "consent_text", "role", "note", "reason",
    "kind", "step", "selection", "best_by", "feature_list", "feature", "first", "list", "what",
    "from",
    "login", "password", "username", "password1", "password2", "old_password", "new_password1",
    "new_password2", "code", "email", "next", "order", "after", "before", "run", "like",
    "directory",
    "PROLIFIC_PID", "SESSION_ID", "STUDY_ID", "t", "lang", "simulated", "plays", "heard_ms",
    "width",
    "sound", "storage", "leave", "seen", "q", "sae", "layer", "rate_min", "strength_min", "effect",
    "steered_share", "trials_per_participation", "ratings_per_item", "lease_minutes",
    "loudness_lufs",
    "option_policy", "contrasts", "may_choose_none",
    "design", "practice_trials", "entry", "service", "payment", "currency", "code_complete", "look",
    "for", "parquet", "age", "training", "device", "hearing", "action", "_selected_action", "p",
    "corpus.path", "sae.steps", "labels.methods", "subject.model", "corpus.clip_seconds",
)  # fmt: skip
CONFIGS = (
    "a = " + "[" * 2000, "a = " + "9" * 5000, '[corpus]\npath = "a\\u0000b"',
    '[corpus]\npath = "~nobody"',
    f'[corpus]\npath = "/{"a" * 5000}"', "[corpus]\nclip_seconds = inf",
    "[corpus]\nclip_seconds = nan",
    "[labels]\nmethods = [1, {}]", "[sae]\nks = [99999999999999999999]", "[machine]\nthreads = 0",
    '[subject]\nmodel = "x"\nhookpoints = ["decoder.layers.99999999999999999999.resid_post"]',
    "x = 2026-13-45", "[a.b.c]\nd = 1", "[[corpus]]", "corpus = 1", "\ufeff[corpus]",
    "[gemini]\nledger = 1",
)  # fmt: skip
DOCUMENTS: tuple[Any, ...] = (
    None, [], {}, 1, "a", [[]], [{}] * 201, [None], [{"trial": "\ud800"}], {"\0": 1}, [1e400],
    [{"trial": {}, "type": [], "sequence": "a"}], [{"trial": "a", "type": "shown", "sequence": "a",
    "at_ms": 1e308, "clip": 2**70}], {"event_type": [], "data": None}, [True],
)  # fmt: skip
METHODS = ("GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "FOO", "get", "")
HEADERS = (
    "HTTP_ACCEPT", "HTTP_ACCEPT_LANGUAGE", "HTTP_RANGE", "HTTP_IF_MODIFIED_SINCE", "HTTP_REFERER",
    "HTTP_IF_NONE_MATCH", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_AUTHORIZATION",
    "HTTP_HX_REQUEST", "HTTP_HX_CURRENT_URL", "HTTP_X_EVENT_ID", "HTTP_USER_AGENT", "HTTP_ORIGIN",
    "HTTP_X_PROLIFIC_REQUEST_TIMESTAMP", "HTTP_X_PROLIFIC_REQUEST_SIGNATURE", "HTTP_HOST",
    "CONTENT_LENGTH", "HTTP_ACCEPT_ENCODING", "HTTP_X_CSRFTOKEN", "REMOTE_ADDR", "HTTP_HX_TARGET",
)  # fmt: skip
RANGES = ("bytes=0-", "bytes=-1", "bytes=9-1", "bytes=a-b", "bytes=0-1,2-3", "bytes=" + "9" * 5000)
TYPES = (
    "", "text/plain", "application/json", "multipart/form-data", "multipart/form-data; boundary=",
    "application/x-www-form-urlencoded; charset=utf-16", "a/b; charset*=nonsense''x", "; =",
    "application/json; charset=\ud800", "application/x-www-form-urlencoded; charset=hex",
    "multipart/form-data; boundary=" + "x" * 300, "multipart/mixed; boundary=x",
)  # fmt: skip
FORM, FILES = "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"
CSRF = "a" * 32


@dataclass
class Outcome:
    """Number of requests by status, and a description of each 5xx."""

    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def fuzz(*, count: int, seed: int, side: Side, callers: list[Caller],
         real: Callable[[Route], str]) -> Outcome:  # fmt: skip
    """Send `count` requests, undoing every change of a row. `real` gives a valid URL of a route."""
    rng = random.Random(seed)
    outcome, known = Outcome(), routes()
    with _caught() as errors:
        for number in range(count):
            route = known[number % len(known)]
            path, given = _drawn(rng, real(route), callers)
            errors.clear()
            with transaction.atomic():
                got = _status(path, given, errors)
                transaction.set_rollback(True)
            outcome.statuses[got] += 1
            # A site that is not ready answers 503.
            if got >= 500 and route.name != "ready":
                what = f"{given.get('method')} {path[:200]!r} {route.name} of seed {seed}: {got}"
                outcome.faults.append(f"{what}\n{_told(given)}\n{''.join(errors)}")
    return outcome


def _status(path: str, given: dict[str, Any], errors: list[str]) -> int:
    try:
        return status(path, **given)
    except Exception:  # Whatever a request raises is a fault, counted as 599 with its traceback.
        errors.append(traceback.format_exc(limit=-6))
        return 599


@contextmanager
def _caught() -> Iterator[list[str]]:
    """The tracebacks of requests that failed."""
    errors: list[str] = []

    def note(**_: Any) -> None:
        errors.append(traceback.format_exc(limit=-4))

    got_request_exception.connect(note)
    try:
        yield errors
    finally:
        got_request_exception.disconnect(note)


def _told(given: dict[str, Any]) -> str:
    shown = {key: str(value)[:300] for key, value in given.items() if key != "HTTP_COOKIE"}
    return repr(shown)


def _drawn(rng: random.Random, address: str, callers: list[Caller]) -> tuple[str, dict[str, Any]]:
    """Path and other parts of a request; now and then a part is odd."""
    method = rng.choice(("GET", "POST")) if rng.random() < 0.8 else rng.choice(METHODS)
    given: dict[str, Any] = {"method": method, **_by(rng, rng.choice(callers))}
    path = address
    if rng.random() < 0.25:
        parts = address.split("/")
        parts[rng.randrange(1, max(2, len(parts)))] = _odd(rng).decode("latin-1")
        path = "/".join(parts)
    if rng.random() < 0.5:
        given["QUERY_STRING"] = _form(rng).decode("latin-1")
    if method not in ("GET", "HEAD"):
        given |= _body(rng)
    if rng.random() < 0.3:
        given[rng.choice(HEADERS)] = _odd(rng).decode("latin-1")
    if rng.random() < 0.1:
        given["HTTP_RANGE"] = rng.choice(RANGES)
    return path, given


def _by(rng: random.Random, caller: Caller) -> dict[str, str]:
    cookies = dict(caller.cookies) | {"csrftoken": CSRF}
    if rng.random() < 0.1:
        name = rng.choice([*cookies, "place", "kiosk", "sessionid", "messages"])
        cookies[name] = rng.choice(('"\\000a"', '"\\355\\240\\200"', "a" * 4000, "", "é", ":::"))
    text = "; ".join(f"{name}={value}" for name, value in cookies.items())
    given = {"HTTP_COOKIE": text, "HTTP_X_CSRFTOKEN": CSRF, "HTTP_HOST": "localhost"}
    return given | ({"HTTP_AUTHORIZATION": f"Bearer {caller.token}"} if caller.token else {})


def _body(rng: random.Random) -> dict[str, Any]:
    kind = rng.random()
    if kind < 0.5:
        made = {"body": _form(rng), "CONTENT_TYPE": FORM}
    elif kind < 0.75:
        made = {"body": _document(rng), "CONTENT_TYPE": "application/json"}
    else:
        made = {"body": _parts(rng), "CONTENT_TYPE": FILES}
    if rng.random() < 0.15:
        made["CONTENT_TYPE"] = rng.choice(TYPES)
    return made


def _form(rng: random.Random) -> bytes:
    pairs = []
    for _ in range(rng.randint(1, 6)):
        name = rng.choice(FIELDS) if rng.random() < 0.95 else _named(rng)
        pairs.append(f"{name}={quote_from_bytes(_value(rng, name))}")
    return "&".join(pairs).encode()


def _named(rng: random.Random) -> str:
    return quote_from_bytes(_odd(rng))


def _value(rng: random.Random, name: str) -> bytes:
    if name == "config" and rng.random() < 0.7:
        return rng.choice(CONFIGS).encode()
    return rng.choice((b"1", b"a", b"en", b"agree")) if rng.random() < 0.3 else _odd(rng)


def _document(rng: random.Random) -> bytes:
    drawn = rng.random()
    if drawn < 0.6:
        return json.dumps(rng.choice(DOCUMENTS)).encode()
    return b"[" * 100_000 if drawn < 0.65 else _odd(rng)


def _parts(rng: random.Random) -> bytes:
    parts = []
    for _ in range(rng.randint(1, 3)):
        name = rng.choice(FIELDS)
        file = b'; filename="%s"' % _odd(rng) if rng.random() < 0.3 else b""
        head = b'--x\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n' % (name.encode(), file)
        parts.append(head + _value(rng, name) + b"\r\n")
    return b"".join(parts) + (b"--x--\r\n" if rng.random() < 0.9 else b"")


def _odd(rng: random.Random) -> bytes:
    return rng.choice(ODD)


def admin_address(route: Route) -> str:
    """The URL of a page of the administration, with the first row if it needs one."""
    names = dict.fromkeys(route.converters, "1")
    if route.name == "admin:app_list":
        names = {"app_label": "studyapp"}
    try:
        return reverse(route.name, kwargs=names)
    except NoReverseMatch:
        return "/admin/nothing/"
