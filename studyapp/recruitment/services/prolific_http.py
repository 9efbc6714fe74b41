"""HTTP with Prolific: one request, or a list page by page. Every failure is one clear line.

A request that changes something can fail in two ways. Either Prolific surely did nothing (it
refused, or was never reached), which is `RefusedError`; or nobody knows (the answer was lost, or
was an error of the server), which is `UncertainError`: before it is sent again, what Prolific says
now must be read. Source: docs.prolific.com, API reference v1.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings

from studyapp.core.errors import RecruitmentError

if TYPE_CHECKING:
    import httpx

TIMEOUT_SECONDS = 20.0
TOO_MANY = 429
WAITS = (0.5, 1.0, 2.0)
"""Seconds before asking again after a 429, with which Prolific answers when it is busy."""
LONGEST_WAIT = 5.0
"""A page waits for the answer: if Prolific wants a longer pause, the person is told how long."""
TIMED_OUT = 408
"""A server or a proxy on the way did not wait for the rest: nobody knows what was done."""
MOST_WORDS = 300
IDENTIFIER = re.compile(r"\b[0-9a-f]{24}\b")
"""Of a person, a submission or a study at Prolific."""


class RefusedError(RecruitmentError):
    """Prolific did not do what it was asked to do."""


class UncertainError(RecruitmentError):
    """Prolific may or may not have done what it was asked to do."""


def address(path: str) -> str:
    """Return the address of `path` in Prolific's API."""
    return f"{settings.PROLIFIC_API}/api/v1/{path}"


def headers() -> dict[str, str]:
    """Return the headers that identify this site. Raises `RecruitmentError` without a token."""
    if not settings.PROLIFIC_TOKEN:
        raise RecruitmentError("PROLIFIC_TOKEN is not set, so Prolific cannot be asked")
    return {"Authorization": f"Token {settings.PROLIFIC_TOKEN}"}


def read(path: str, **parameters: str) -> dict[str, Any]:
    """Return what Prolific says at `path`."""
    with _client() as client:
        return _content(_got(client, address(path), parameters))


def send(method: str, path: str, content: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Ask Prolific to do something, once, and return its answer.

    Raises `RefusedError` if it surely was not done, `UncertainError` if it may have been.
    """
    import httpx

    with _client() as client:
        try:
            answer = _patiently(lambda: client.request(method, address(path), json=content or {}))
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise RefusedError(f"Prolific cannot be reached: {type(error).__name__}") from error
        except httpx.HTTPError as error:
            raise UncertainError(
                f"Prolific did not answer: {type(error).__name__}; what it did is not known"
            ) from error
    is_known = answer.is_client_error and answer.status_code != TIMED_OUT
    if is_known or answer.is_redirect:
        said = f"{_words(answer)}{_pause_of(answer)}"
        raise RefusedError(f"Prolific refused with status {answer.status_code}: {said}")
    if not answer.is_success:
        raise UncertainError(
            f"Prolific answered with status {answer.status_code}; what it did is not known"
        )
    try:
        return _content(answer)
    except RecruitmentError:
        return {}  # It was done: some answers have no content.


def pages(path: str, **parameters: str) -> Iterator[dict[str, Any]]:
    """Yield the results of a list, page by page, as the pages' own links lead on.

    Past the last page Prolific answers 404, so pages are not counted here.
    """
    seen: set[str] = set()
    with _client() as client:
        answer = _got(client, address(path), parameters)
        while True:
            results, onward = _page(answer)
            yield from results
            if not onward:
                return
            if onward in seen:
                raise RecruitmentError("Prolific's list leads back to a page that was read")
            seen.add(onward)
            answer = _got(client, onward)


def _page(answer: httpx.Response) -> tuple[list[dict[str, Any]], str]:
    """The results of a page, and the address of the next one, or ""."""
    content = _content(answer)
    try:
        results = [dict(one) for one in content["results"]]
        onward = str((content["_links"].get("next") or {}).get("href") or "")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecruitmentError(f"Prolific cannot be read: {type(error).__name__}") from error
    # The token must be sent to nobody else.
    if onward and urlsplit(onward)[:2] != urlsplit(settings.PROLIFIC_API)[:2]:
        raise RecruitmentError(f"Prolific's list leads to another host: {onward[:100]}")
    return results, onward


def _client() -> httpx.Client:
    import httpx

    return httpx.Client(headers=headers(), timeout=TIMEOUT_SECONDS)


def _got(
    client: httpx.Client, whole_address: str, parameters: Mapping[str, str] | None = None
) -> httpx.Response:
    import httpx

    try:
        answer = _patiently(lambda: client.get(whole_address, params=parameters or None))
        answer.raise_for_status()
    except httpx.HTTPStatusError as error:
        said = f"Prolific answered with status {error.response.status_code}"
        raise RecruitmentError(said + _pause_of(error.response)) from error
    except httpx.HTTPError as error:
        raise RecruitmentError(f"Prolific cannot be read: {type(error).__name__}") from error
    return answer


def _patiently(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """The answer; while Prolific is too busy to do anything, it is asked again a few times."""
    for seconds in WAITS:
        answer = ask()
        pause = max(seconds, _wanted_pause(answer))
        if answer.status_code != TOO_MANY or pause > LONGEST_WAIT:
            return answer
        time.sleep(pause)
    return ask()


def _wanted_pause(answer: httpx.Response) -> float:
    """The seconds that Prolific wants to be left alone for; 0 where it does not say."""
    given = answer.headers.get("Retry-After", "").strip()
    return float(given) if given.isascii() and given.isdecimal() else 0.0


def _pause_of(answer: httpx.Response) -> str:
    seconds = _wanted_pause(answer) if answer.status_code == TOO_MANY else 0
    return f"; try again in {seconds:.0f} seconds" if seconds else ""


def _content(answer: httpx.Response) -> dict[str, Any]:
    try:
        content = answer.json()
    except ValueError as error:
        raise RecruitmentError("Prolific cannot be read: its answer is not JSON") from error
    if not isinstance(content, dict):
        raise RecruitmentError("Prolific cannot be read: its answer is not an object")
    return content


def _words(answer: httpx.Response) -> str:
    """Why Prolific refused, in its own words, on one line: it is stored, so without identifiers."""
    try:
        content = answer.json()
    except ValueError:
        content = None
    # Some calls answer with the error itself, others with an object around it.
    error = content.get("error", content) if isinstance(content, dict) else content
    said = error.get("detail") or error.get("title") if isinstance(error, dict) else error
    words = " ".join((_plain(said) or "no reason was given").split())
    return IDENTIFIER.sub("…", words)[:MOST_WORDS]


def _plain(said: Any) -> str:
    """The words of a reason, which may be given for each field."""
    if isinstance(said, dict):
        return "; ".join(f"{name}: {_plain(one)}" for name, one in said.items())
    if isinstance(said, list):
        return "; ".join(map(_plain, said))
    return str(said or "")
