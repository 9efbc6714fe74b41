"""Byte ranges of a body in memory, as Safari needs for audio."""

from __future__ import annotations

import re

from django.http import HttpRequest, HttpResponse

RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


def ranged(request: HttpRequest, data: bytes) -> HttpResponse:
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
