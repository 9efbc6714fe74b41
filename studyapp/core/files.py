"""Files by the proxy where there is one that knows how, else with byte ranges from here."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse

from studyapp.core.ranges import ranged

DAY_SECONDS = 86_400


def send(
    request: HttpRequest, path: Path, content_type: str, *, seconds: int = DAY_SECONDS
) -> HttpResponse:
    """The file at `path`, which must lie in the data folder or be an imported run's.

    A browser may keep it for `seconds`. Raises `Http404` if it is not there.
    """
    if not path.is_file():
        raise Http404
    if settings.MEDIA == "x-accel" and path.is_relative_to(Path(settings.DATA)):
        response = _by_proxy(request, path, content_type)
    else:
        response = _from_here(request, path, content_type)
    # Named by hashes of what they hold or stand for: the same address never shows another thing.
    response["Cache-Control"] = f"private, max-age={seconds}"
    return response


def _by_proxy(request: HttpRequest, path: Path, content_type: str) -> HttpResponse:
    """Only the file's address, under `/protected/`: nginx sends it, in ranges too."""
    from django_sendfile import sendfile

    response: HttpResponse = sendfile(request, str(path), mimetype=content_type)
    # It holds the file's name, which no participant may see.
    del response["Content-Disposition"]
    return response


def _from_here(request: HttpRequest, path: Path, content_type: str) -> HttpResponse:
    response = ranged(request, path.read_bytes())
    response["Content-Type"] = content_type
    response["Accept-Ranges"] = "bytes"
    if request.method == "HEAD":
        response["Content-Length"] = len(response.content)
        response.content = b""
    return response
