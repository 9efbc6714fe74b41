"""Figures for Prometheus, read from the rows when asked for: every process gives the same ones."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable

from django.conf import settings
from django.db import DatabaseError, connection
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from studyapp.hosting import broker, counts

LEAST_FREE_BYTES = 100 * 1024 * 1024
"""With less the site calls itself not ready: the next run or export fills the disk."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class RowCollector(Collector):
    """Gauges over the rows."""

    def collect(self) -> Iterable[Metric]:
        """Every figure, queried again on each call."""
        yield _gauge("jobs", "Jobs", ("queue", "state"), counts.jobs())
        yield _gauge("runs", "Runs", ("state",), counts.runs())
        yield _gauge("studies", "Versions of studies", ("state",), counts.studies())
        yield _gauge(
            "participations", "Participations", ("state", "simulated"), counts.participations()
        )
        yield _gauge("responses", "Responses stored", (), {(): counts.responses()})
        yield _gauge(
            "oldest_waiting_job_seconds", "Age of the job that waits longest", (),
            {(): counts.oldest_waiting_seconds()},
        )  # fmt: skip


def exposition() -> bytes:
    """The figures in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(RowCollector())
    return generate_latest(registry)


def readiness() -> dict[str, bool]:
    """What the site stands on → whether it is there."""
    return {
        "database": _database_answers(),
        "broker": broker.answers(settings.CELERY_BROKER_URL),
        "data_folder": _data_folder_takes_a_byte(),
        "disk_space": _free_bytes() >= LEAST_FREE_BYTES,
    }


def _data_folder_takes_a_byte() -> bool:
    """Written in earnest: a full disk or one mounted read-only still gives its permissions."""
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


def _gauge(
    name: str, text: str, labels: tuple[str, ...], values: dict[tuple[str, ...], float]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"earwitness_{name}", text, labels=labels)
    for own, value in values.items():
        family.add_metric(own, value)
    return family
