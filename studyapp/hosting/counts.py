"""Counts for whoever watches the site."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Min, QuerySet
from django.utils import timezone

from studyapp.models import Job, Participation, Response, Run, Study

Counts = dict[tuple[str, ...], float]


def jobs() -> Counts:
    """(queue, state) → jobs."""
    return _counts(Job.objects.all(), "queue", "state")


def runs() -> Counts:
    """(state,) → runs."""
    return _counts(Run.objects.all(), "state")


def studies() -> Counts:
    """(state,) → versions of studies."""
    return _counts(Study.objects.all(), "state")


def participations() -> Counts:
    """(status, whether simulated) → participations."""
    counted = Participation.objects.filter(study__preview_of=None)
    return _counts(counted, "status", "simulated")


def responses() -> float:
    """All responses, but for those of previews."""
    previewed = Response.objects.filter(trial__participation__study__preview_of__isnull=False)
    return Response.objects.count() - previewed.count()


def oldest_waiting_seconds() -> float:
    """How long the oldest waiting job has waited, seconds; 0 if none waits."""
    waiting = Job.objects.filter(state=Job.State.WAITING).aggregate(at=Min("created_at"))["at"]
    return (timezone.now() - waiting).total_seconds() if waiting else 0.0


def _counts(rows: QuerySet[Any], *fields: str) -> Counts:
    counted = rows.order_by().values_list(*fields).annotate(n=Count("pk"))
    return {tuple(str(value).lower() for value in own): n for *own, n in counted}
