"""The sounds of a trial, by opaque address, with byte ranges (Safari plays nothing without 206)."""

from __future__ import annotations

import re
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from studyapp import access
from studyapp.selectors import participation as selectors

RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


@require_safe
def audio(request: HttpRequest, slug: str, token: str, number: int) -> HttpResponse:
    """Sound `number` (1–3) of the participation's own trial, up to one after the current."""
    participation = access.participation_of(request, slug)
    if participation is None:
        raise Http404
    stimulus = selectors.playable(participation=participation, token=token, number=number)
    if stimulus is None:
        raise Http404
    data = (Path(settings.DATA) / stimulus.path).read_bytes()
    response = _ranged(request, data)
    response["Content-Type"] = "audio/flac"
    response["Accept-Ranges"] = "bytes"
    response["Cache-Control"] = "private, max-age=3600"
    if request.method == "HEAD":
        response["Content-Length"] = len(response.content)
        response.content = b""
    return response


def _ranged(request: HttpRequest, data: bytes) -> HttpResponse:
    """All of the bytes, the part asked for (206), or 416 where there is no such part.

    Several ranges at once, a unit that is not bytes, and `If-Range` (there is no validator that
    could match) are answered with the whole, as RFC 9110 allows.
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
    """First and last byte of the range, cut at the end; first > last if there is none."""
    if not first:
        return (max(0, size - int(last)), size - 1) if int(last) else (size, size - 1)
    return int(first), min(int(last), size - 1) if last else size - 1
