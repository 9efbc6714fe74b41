"""Reads of jobs: the newest of a kind for a row, and what the queues hold."""

from __future__ import annotations

from django.db.models import Count

from studyapp.models import Job


def newest(*, kind: str, target: int) -> Job | None:
    """The newest job of that kind for that row."""
    return Job.objects.filter(kind=kind, target=target).order_by("-pk").first()


def depths() -> dict[tuple[str, str], int]:
    """(queue, state) → how many jobs."""
    rows = Job.objects.order_by().values_list("queue", "state").annotate(n=Count("pk"))
    return {(queue, state): n for queue, state, n in rows}


def recent(limit: int = 50) -> list[Job]:
    """The newest jobs, of every state."""
    return list(Job.objects.order_by("-pk")[:limit])
