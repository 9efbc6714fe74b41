"""Whether the site lives and is ready, and its figures for Prometheus."""

from __future__ import annotations

import hmac

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse

from studyapp import metrics


@login_not_required
def health(request: HttpRequest) -> HttpResponse:
    """A word, without a query: the process serves."""
    return HttpResponse("ok", content_type="text/plain")


@login_not_required
def ready(request: HttpRequest) -> JsonResponse:
    """Database, broker and data folder, each ok or not; 503 if the site cannot serve without it.

    Without its broker the site serves on: what is asked for waits in rows.
    """
    found = metrics.readiness()
    serves = found["database"] and found["data_folder"]
    named = {name: "ok" if good else "failed" for name, good in found.items()}
    return JsonResponse(named, status=200 if serves else 503)


@login_not_required
def prometheus(request: HttpRequest) -> HttpResponse:
    """The figures, for whoever has `EARWITNESS_METRICS_TOKEN`; a 404 where none is set."""
    given = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
    wanted = settings.METRICS_TOKEN.encode()
    if not wanted or not hmac.compare_digest(given, wanted):
        raise Http404
    return HttpResponse(metrics.exposition(), content_type=metrics.CONTENT_TYPE)
