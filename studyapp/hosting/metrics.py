"""Figures for Prometheus, counted in the database on each request, so every process gives the same
figures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Count, Min, QuerySet
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from studyapp.models import Job, Participation, Response, Run, Study

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Counts = dict[tuple[str, ...], float]


def exposition() -> bytes:
    """Return the figures in Prometheus's text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(RowCollector())
    return generate_latest(registry)


class RowCollector(Collector):
    """Gauges that count rows."""

    def collect(self) -> Iterable[Metric]:
        """Yield every figure, queried on each call."""
        yield _gauge("jobs", "Jobs", ("queue", "state"), jobs())
        yield _gauge("runs", "Runs", ("state",), runs())
        yield _gauge("studies", "Versions of studies", ("state",), studies())
        yield _gauge("participations", "Participations", ("state", "simulated"), participations())
        yield _gauge("responses", "Responses stored", (), {(): responses()})
        yield _gauge(
            "oldest_waiting_job_seconds", "Age of the job that waits longest", (),
            {(): oldest_waiting_seconds()},
        )  # fmt: skip


def jobs() -> Counts:
    """(queue, state) → number of jobs."""
    return _counts(Job.objects.all(), "queue", "state")


def runs() -> Counts:
    """(state,) → number of runs."""
    return _counts(Run.objects.all(), "state")


def studies() -> Counts:
    """(state,) → number of study versions."""
    return _counts(Study.objects.all(), "state")


def participations() -> Counts:
    """(status, whether simulated) → number of participations, without previews."""
    counted = Participation.objects.filter(study__preview_of=None)
    return _counts(counted, "status", "simulated")


def responses() -> float:
    """Return the number of responses, without previews."""
    previewed = Response.objects.filter(trial__participation__study__preview_of__isnull=False)
    return Response.objects.count() - previewed.count()


def oldest_waiting_seconds() -> float:
    """Return how long the oldest job that a worker could take has waited, in seconds; 0 if there
    is none."""
    due = Job.objects.filter(state=Job.State.WAITING).exclude(not_before__gt=timezone.now())
    waiting = due.aggregate(at=Min("created_at"))["at"]
    return (timezone.now() - waiting).total_seconds() if waiting else 0.0


def _counts(rows: QuerySet[Any], *fields: str) -> Counts:
    counted = rows.order_by().values_list(*fields).annotate(n=Count("pk"))
    return {tuple(str(value).lower() for value in own): n for *own, n in counted}


def _gauge(name: str, text: str, labels: tuple[str, ...], values: Counts) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"earwitness_{name}", text, labels=labels)
    for own, value in values.items():
        family.add_metric(own, value)
    return family
