"""Progress of a run as rows: what the worker writes and the run's page reads."""

import time
from collections.abc import Callable

from django.utils import timezone

from studyapp.jobs.services import outages
from studyapp.models import StageRecord

WRITE_SECONDS = 0.5
"""A stage's row is written at most so often while it works."""
NOTE_LENGTH = 300
WRITTEN = ("done", "total", "unit", "note", "heartbeat_at", "started_at", "lines")
LINES_KEPT = 200
"""Of a stage's log; earlier ones are in the worker's."""


class RowProgress:
    """A `pipeline.progress.Progress` that writes one stage's row.

    `check` is called before each writing and raises where the work is not this process's any more.
    A database that is away for a moment costs a row's freshness, not hours of a stage's work.
    """

    def __init__(self, record: StageRecord, check: Callable[[], None] = lambda: None) -> None:
        self._record = record
        self._check = check
        self._written = 0.0
        self._outage = outages.Outage()

    def start(self, stage: str, total: int, unit: str) -> None:
        """A piece of work begins; its name is noted where it is not the stage's own."""
        self._record.done, self._record.total, self._record.unit = 0, total, unit[:30]
        self._record.started_at = timezone.now()
        if stage != self._record.stage:
            self._record.note = stage[:NOTE_LENGTH]
        self._write()

    def advance(self, n: int = 1) -> None:
        """Count, and write if the last writing is long enough ago."""
        self._record.done += n
        if time.monotonic() - self._written >= WRITE_SECONDS:
            self._write()

    def note(self, text: str) -> None:
        """Keep the last line that a person may want to read."""
        self._record.note = text[:NOTE_LENGTH]
        line = [timezone.now().isoformat(timespec="seconds"), text[:NOTE_LENGTH]]
        self._record.lines = [*self._record.lines[-LINES_KEPT + 1 :], line]
        self._write()

    def finish(self) -> None:
        """The piece of work is over: its last count is written."""
        self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        try:
            self._check()
            self._record.heartbeat_at = timezone.now()
            self._record.save(update_fields=WRITTEN)
        except outages.AWAY as error:
            self._outage.note(error)
        else:
            self._outage.over()
