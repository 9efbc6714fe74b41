"""Checks of every request, whatever page it is for.

Malformed requests end here with status 400: bytes that are not text, charsets other than UTF-8,
numbers that no row can have. Views can rely on every text being storable and printable.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadhandler import FileUploadHandler
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.http.request import RawPostDataException
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.template.loader import render_to_string
from django.urls import Resolver404, resolve
from django.utils import timezone, translation
from django.utils.cache import add_never_cache_headers

from studyapp.core.numbers import whole

Handler = Callable[[HttpRequest], HttpResponseBase]
View = TypeVar("View", bound=Callable[..., Any])
MAX_BODY = 3 * 2**20
"""Limit of a request, bytes; the site's own forms and an answer's events are far smaller."""
MAX_NUMBER = 2**63 - 1
"""The largest primary key that a row can have."""
FORM = "application/x-www-form-urlencoded"
FILES = "multipart/form-data"
PARTICIPANTS_PATH = "/s/"


def takes_files(view: View) -> View:
    """Mark a view whose form has a file; all other views refuse files."""
    view.takes_files = True  # type: ignore[attr-defined]
    return view


class NeverCacheMiddleware:
    """Stops browsers and proxies from caching a response unless its view allows it."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if not response.has_header("Cache-Control"):
            add_never_cache_headers(response)
        return response


class LanguageMiddleware(LocaleMiddleware):
    """The language that the browser asks for, on other pages only of `RESEARCHERS_LANGUAGES`.

    Participants' pages choose among their study's languages.
    """

    def process_request(self, request: HttpRequest) -> None:
        """Activate it for this request."""
        super().process_request(request)
        is_participants = request.path_info.startswith(PARTICIPANTS_PATH)
        if not is_participants and request.LANGUAGE_CODE not in settings.RESEARCHERS_LANGUAGES:
            translation.activate(settings.LANGUAGE_CODE)
            request.LANGUAGE_CODE = settings.LANGUAGE_CODE


class TimeZoneMiddleware:
    """Every request begins in UTC, whatever study's time zone the one before it was shown in."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with timezone.override(None):
            return self.get_response(request)


class PolicyMiddleware(CSPMiddleware):  # type: ignore[misc] # untyped
    """The content security policy, as a text that is made once.

    Otherwise it would be made from its parts for every response. A response whose view changes the
    policy gets its own.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Add the header."""
        if settings.DEBUG or any(name.startswith("_csp") for name in vars(response)):
            return super().process_response(request, response)  # type: ignore[no-any-return]
        if HEADER not in response:
            response.headers[HEADER] = _usual_policy()
        return response


@cache
def _usual_policy() -> str:
    return str(build_policy())


class OddRequestMiddleware:
    """Refuses malformed requests. It comes first, before the CSRF check reads the body."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self._refusal(request) or self.get_response(request)

    def _refusal(self, request: HttpRequest) -> HttpResponse | None:
        """Return the response to a malformed request, or None."""
        if not _is_readable(request):
            return _unreadable()
        # Django reads only as much as the header says, and nothing without it.
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal():
            return _unreadable()
        size = whole(length)
        if size is None or size > MAX_BODY:
            error = f"The request has {length[:30]} bytes, over the limit of {MAX_BODY}."
            return HttpResponse(error, status=413, content_type="text/plain")
        try:
            # This applies to unknown addresses too: their 404 page looks for a CSRF token.
            if request.method in ("GET", "HEAD") or _has_readable_body(request):
                return None
        except UnreadablePostError:
            # The client disconnected in the middle and will not read a response.
            pass
        return _unreadable()

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: dict[str, Any]
    ) -> None:
        """Raise `Http404` for a number that no row can have."""
        if any(isinstance(one, int) and one > MAX_NUMBER for one in kwargs.values()):
            raise Http404

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Refuse a form that was sent to a view that takes JSON."""
        return _unreadable() if isinstance(error, RawPostDataException) else None


def _unreadable() -> HttpResponse:
    # Not Django's own view, which would read the form to find a CSRF token.
    return HttpResponse(render_to_string("400.html"), status=400)


class _NoFiles(FileUploadHandler):
    """Refuses a file at its first byte, before any of it is stored."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        raise MultiPartParserError("this page does not accept files")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        return None

    def file_complete(self, file_size: int) -> None:
        return None


def _is_readable(request: HttpRequest) -> bool:
    """Whether address, query, cookies and headers are text, and the body claims to be UTF-8."""
    charset = (request.content_params or {}).get("charset", "utf-8")
    query = request.META.get("QUERY_STRING", "").encode("latin-1", "replace")
    headers = (v for k, v in request.META.items() if k.startswith("HTTP_") and isinstance(v, str))
    return (
        charset.lower() == "utf-8"
        and _is_text_of_a_form(query)
        and _are_texts([request.path_info, *request.COOKIES.values(), *headers])
    )


def _has_readable_body(request: HttpRequest) -> bool:
    if request.content_type == FILES:
        return _are_texts(_fields(request))
    if request.content_type == FORM:
        return _is_text_of_a_form(request.body)
    try:
        text = request.body.decode()
        # The view decides about a body that is not JSON; it may not expect JSON.
        return "\\u" not in text or _are_texts(_strings(json.loads(text)))
    except UnicodeDecodeError:
        return False
    except (ValueError, RecursionError):
        return True


def _fields(request: HttpRequest) -> Iterator[str]:
    """Yield the fields of a form with files; a NUL character if it cannot be read."""
    if not _takes_files(request.path_info):
        request.upload_handlers = [_NoFiles(request)]
    try:
        for name, values in request.POST.lists():
            yield from (name, *(str(one) for one in values))
    except (MultiPartParserError, SuspiciousOperation):
        yield "\0"


def _takes_files(path: str) -> bool:
    try:
        return getattr(resolve(path).func, "takes_files", False)
    except Resolver404:
        return False


def _is_text_of_a_form(sent: bytes) -> bool:
    try:
        return "\0" not in unquote_to_bytes(sent.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        return False


def _are_texts(texts: Iterable[str]) -> bool:
    """Whether all can be stored: without NUL (PostgreSQL) and lone surrogates (UTF-8)."""
    return not any("\0" in text or not (text.isascii() or _is_whole(text)) for text in texts)


def _is_whole(text: str) -> bool:
    """Whether no character is half of a pair of surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _strings(value: Any) -> Iterator[str]:
    # Not recursive: each string would be passed up through every level of nesting.
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, list):
            left += one
        elif isinstance(one, dict):
            left += [*one.keys(), *one.values()]
