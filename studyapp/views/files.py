"""Files of researchers' pages: by the proxy where there is one, else with byte ranges from here."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse

from studyapp.views.ranges import ranged


def send(request: HttpRequest, path: Path, content_type: str) -> HttpResponse:
    """The file at `path`, which must lie in the data folder or be an imported run's.

    Behind a proxy that knows X-Accel-Redirect (`EARWITNESS_MEDIA=x-accel`) only its address is
    handed on. Raises `Http404` if it is not there.
    """
    if not path.is_file():
        raise Http404
    root = Path(settings.DATA)
    if settings.SENDFILE_BACKEND.endswith("nginx") and path.is_relative_to(root):
        from django_sendfile import sendfile

        response: HttpResponse = sendfile(request, str(path), mimetype=content_type)
    else:
        response = ranged(request, path.read_bytes())
        response["Content-Type"] = content_type
        response["Accept-Ranges"] = "bytes"
    # Named by hashes of what they hold or stand for: the same address never shows another thing.
    response["Cache-Control"] = "private, max-age=86400"
    return response
