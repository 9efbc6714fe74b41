"""Extends axes' lockout with a limit per address, whatever names are tried from it."""

from __future__ import annotations

from typing import Any

from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest


class Handler(AxesDatabaseHandler):  # type: ignore[misc] # untyped
    """Locks a name at an address, and an address that tries many names."""

    def is_locked(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> bool:
        """Whether this address, or this name at this address, is locked."""
        by_address = _failures_from(request) >= settings.ADDRESS_FAILURE_LIMIT
        request.locked_by_address = by_address  # type: ignore[attr-defined] # for the page
        return by_address or bool(super().is_locked(request, credentials))


def _failures_from(request: Any) -> int:
    recent = AccessAttempt.objects.filter(
        ip_address=request.axes_ip_address, attempt_time__gte=get_cool_off_threshold(request)
    )
    found: int | None = recent.aggregate(all=Sum("failures_since_start"))["all"]
    return found or 0
