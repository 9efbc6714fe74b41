"""Whether the site lives and is ready, and its figures for Prometheus."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.views.decorators.cache import never_cache

from studyapp.hosting import metrics


class ProbeMiddleware:
    """Answers `/healthz` and `/readyz` whatever host, scheme, cookies or header comes with them.

    A container asks itself, as 127.0.0.1 and without TLS: the check of the host would refuse it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response
        self._probes = {reverse("health"): health, reverse("ready"): ready}

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """The probe's answer, or whatever the rest of the site says."""
        probe = self._probes.get(request.path_info)
        return never_cache(probe)(request) if probe else self._get_response(request)


@login_not_required
def health(request: HttpRequest) -> HttpResponse:
    """A word, without a query: the process serves."""
    return HttpResponse("ok", content_type="text/plain")


@login_not_required
def ready(request: HttpRequest) -> JsonResponse:
    """Database, broker, data folder and disk, each ok or not; 503 if it cannot serve without one.

    Without its broker the site serves on: what is asked for waits in rows.
    """
    found = metrics.readiness()
    serves = all(good for name, good in found.items() if name != "broker")
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
