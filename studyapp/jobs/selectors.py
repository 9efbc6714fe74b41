"""Queries for jobs: the newest one of a kind for a row, and the contents of the queues."""

from __future__ import annotations

from django.db.models import Count

from studyapp.models import Job


def newest(*, kind: str, target: int) -> Job | None:
    """Return the newest job of that kind for that row."""
    return Job.objects.filter(kind=kind, target=target).order_by("-pk").first()


def depths() -> dict[tuple[str, str], int]:
    """(queue, state) → number of jobs."""
    rows = Job.objects.order_by().values_list("queue", "state").annotate(n=Count("pk"))
    return {(queue, state): n for queue, state, n in rows}


def recent(limit: int = 50) -> list[Job]:
    """Return the newest jobs, in any state, without the pieces of others."""
    return list(Job.objects.filter(parent=None).order_by("-pk")[:limit])
