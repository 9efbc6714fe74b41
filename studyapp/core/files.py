"""Sends files: through the proxy if there is one, otherwise from here, with byte ranges.

Safari plays no audio from a server that does not answer byte ranges.
"""

from __future__ import annotations

import re
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse

DAY_SECONDS = 86_400
RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


def send(
    request: HttpRequest, path: Path, content_type: str, *, seconds: int = DAY_SECONDS
) -> HttpResponse:
    """Send the file at `path`, which must be in the data folder or belong to an imported run.

    Browsers may cache it for `seconds`. Raises `Http404` if it does not exist.
    """
    if not path.is_file():
        raise Http404
    if settings.MEDIA == "x-accel" and path.is_relative_to(Path(settings.DATA)):
        response = _by_proxy(request, path, content_type)
    else:
        response = _from_here(request, path, content_type)
    # Addresses contain hashes of the content, so an address never changes its content.
    response["Cache-Control"] = f"private, max-age={seconds}"
    return response


def _by_proxy(request: HttpRequest, path: Path, content_type: str) -> HttpResponse:
    """Answer with the file's address under `/protected/`; nginx sends the file, also in ranges."""
    from django_sendfile import sendfile

    response: HttpResponse = sendfile(request, str(path), mimetype=content_type)
    # It contains the file's name, which participants must not see.
    del response["Content-Disposition"]
    return response


def _from_here(request: HttpRequest, path: Path, content_type: str) -> HttpResponse:
    response = _ranged(request, path.read_bytes())
    response["Content-Type"] = content_type
    response["Accept-Ranges"] = "bytes"
    if request.method == "HEAD":
        response["Content-Length"] = len(response.content)
        response.content = b""
    return response


def _ranged(request: HttpRequest, data: bytes) -> HttpResponse:
    """Return the whole file, the requested range (206), or 416 if the range does not exist.

    Several ranges at once, a unit other than bytes, and `If-Range` (no validator could match) are
    answered with the whole file, as RFC 9110 allows.
    """
    asked = RANGE.fullmatch(request.headers.get("Range", "").strip())
    if asked is None or asked.group() == "bytes=-" or "If-Range" in request.headers:
        return HttpResponse(data)
    first, last = _bounds(asked.group(1), asked.group(2), len(data))
    if asked.group(1) and asked.group(2) and int(asked.group(2)) < int(asked.group(1)):
        return HttpResponse(data)
    if first > last:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{len(data)}"})
    part = data[first : last + 1]
    return HttpResponse(
        part, status=206, headers={"Content-Range": f"bytes {first}-{last}/{len(data)}"}
    )


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """Return the first and last byte of the range, cut at the end; first > last if it is empty."""
    if not first:
        return (max(0, size - int(last)), size - 1) if int(last) else (size, size - 1)
    return int(first), min(int(last), size - 1) if last else size - 1
