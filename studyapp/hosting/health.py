"""Probes: whether the site is alive and ready; and its figures for Prometheus."""

from __future__ import annotations

import hmac
import os
import shutil
import tempfile
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.views.decorators.cache import never_cache

from studyapp.hosting import broker, metrics

MIN_FREE_BYTES = 100 * 1024 * 1024
"""With less free space the site is not ready: the next run or export would fill the disk."""


class ProbeMiddleware:
    """Answers `/healthz` and `/readyz` for any host, scheme, cookie or header.

    A container probes itself as 127.0.0.1 and without TLS, which the host check would refuse.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response
        self._probes = {reverse("health"): health, reverse("ready"): ready}

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Return the probe's answer, or pass the request on."""
        probe = self._probes.get(request.path_info)
        return never_cache(probe)(request) if probe else self._get_response(request)


@login_not_required
def health(request: HttpRequest) -> HttpResponse:
    """Answer "ok" without a database query: the process serves requests."""
    return HttpResponse("ok", content_type="text/plain")


@login_not_required
def ready(request: HttpRequest) -> JsonResponse:
    """Report database, broker, data folder and disk; 503 if the site cannot serve without one.

    It can serve without its broker: jobs then wait in their rows.
    """
    found = readiness()
    serves = all(good for name, good in found.items() if name != "broker")
    named = {name: "ok" if good else "failed" for name, good in found.items()}
    return JsonResponse(named, status=200 if serves else 503)


@login_not_required
def prometheus(request: HttpRequest) -> HttpResponse:
    """Return the figures to anyone with `EARWITNESS_METRICS_TOKEN`; 404 if no token is set."""
    given = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
    wanted = settings.METRICS_TOKEN.encode()
    if not wanted or not hmac.compare_digest(given, wanted):
        raise Http404
    return HttpResponse(metrics.exposition(), content_type=metrics.CONTENT_TYPE)


def readiness() -> dict[str, bool]:
    """Name of a dependency → whether it works."""
    return {
        "database": _database_answers(),
        "broker": broker.answers(settings.CELERY_BROKER_URL),
        "data_folder": _data_folder_is_writable(),
        "disk_space": _free_bytes() >= MIN_FREE_BYTES,
    }


def _data_folder_is_writable() -> bool:
    """Whether a byte can be written: a full or read-only disk still has its permissions."""
    try:
        with tempfile.TemporaryFile(dir=settings.DATA) as file:
            file.write(b".")
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        return False
    return True


def _free_bytes() -> int:
    try:
        return shutil.disk_usage(settings.DATA).free
    except OSError:
        return 0


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True
