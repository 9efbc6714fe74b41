"""Sends files: through the proxy if there is one, otherwise from here, with byte ranges.

Safari plays no audio from a server that does not answer byte ranges. A report is a page with its
files, which a worker has made in a folder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest, HttpResponse

DAY_SECONDS = 86_400
RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")
SENT = frozenset({".csv", ".json", ".pdf", ".svg", ".R", ".tex", ".txt"})
"""Suffixes of the files beside the page that may be downloaded."""
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'"
)
"""Such a page is self-contained and has no scripts: only its inline style is allowed."""


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


@dataclass(frozen=True)
class Report:
    """An existing report."""

    page: Path
    made_at: datetime
    files: tuple[str, ...]
    """Files beside the page, as paths in its folder."""

    def document(self) -> HttpResponse:
        """The page itself."""
        response = HttpResponse(self.page.read_bytes(), content_type="text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = POLICY
        return response

    def download(self, name: str) -> FileResponse:
        """One of the files beside it; raises `Http404` for any other name."""
        if name not in self.files:
            raise Http404(f"The report has no file {name}.")
        path = self.page.parent / name
        return FileResponse(path.open("rb"), as_attachment=True, filename=path.name)


def report_in(folder: Path, page: str) -> Report | None:
    """The report in a folder, whose page has that name; None if there is none."""
    if not (folder / page).is_file():
        return None
    made = datetime.fromtimestamp((folder / page).stat().st_mtime, tz=UTC)
    beside = (path for path in folder.rglob("*") if path.suffix in SENT and path.is_file())
    return Report(folder / page, made, tuple(sorted(str(p.relative_to(folder)) for p in beside)))
