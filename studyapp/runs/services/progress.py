"""Progress of a run in rows, written by the worker and read by the run's page."""

import time
from collections.abc import Callable

from django.db.models import F
from django.db.models.functions import Least
from django.utils import timezone

from studyapp.jobs.services import outages
from studyapp.models import StageRecord
from studyapp.models.runs import Progress

WRITE_SECONDS = 0.5
"""Minimum time between two updates of a stage's row."""
NOTE_LENGTH = 300
WRITTEN = ("done", "total", "unit", "note", "heartbeat_at", "started_at", "lines")
LINES_KEPT = 200
"""Lines of a stage's log in its row; earlier ones are in the worker's log."""


def add_line(record: Progress, text: str) -> None:
    """Add a line to the log; the caller saves the row."""
    line = [timezone.now().isoformat(timespec="seconds"), text[:NOTE_LENGTH]]
    record.lines = [*record.lines[-LINES_KEPT + 1 :], line]


class RowProgress:
    """A `pipeline.progress.Progress` that updates the row of one stage, or of other long work.

    `check` is called before each update and raises if this worker has lost its lease. A short
    outage of the database only delays the update; the stage's work is not lost.
    """

    def __init__(self, record: Progress, check: Callable[[], None] = lambda: None) -> None:
        self._record = record
        self._check = check
        self._written = 0.0
        self._outage = outages.Outage()

    def start(self, stage: str, total: int, unit: str) -> None:
        """Begin a piece of work; its name is noted if it differs from the stage's."""
        self._record.done, self._record.total, self._record.unit = 0, total, unit[:30]
        self._record.started_at = timezone.now()
        if stage != self._record.title:
            self._record.note = stage[:NOTE_LENGTH]
        self._write()

    def advance(self, n: int = 1) -> None:
        """Count, and update the row if the last update is long enough ago."""
        self._record.done += n
        if time.monotonic() - self._written >= WRITE_SECONDS:
            self._write()

    def note(self, text: str) -> None:
        """Store a line for the reader."""
        self._record.note = text[:NOTE_LENGTH]
        add_line(self._record, text)
        self._write()

    def finish(self) -> None:
        """End the piece of work: write its final count."""
        self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        try:
            self._check()
            self._record.heartbeat_at = timezone.now()
            self._record.save(update_fields=WRITTEN)
        except outages.ERRORS as error:
            self._outage.note(error)
        else:
            self._outage.over()


class PieceProgress:
    """Adds the steps of one piece to its stage's row, to which several workers add.

    Steps that are made again after a worker's death are counted again, but never beyond the total.
    """

    def __init__(self, record: StageRecord, check: Callable[[], None]) -> None:
        self._own = StageRecord.objects.filter(pk=record.pk, state=StageRecord.State.RUNNING)
        self._check = check
        self._new = 0
        self._written = time.monotonic()
        self._outage = outages.Outage()

    def advance(self, n: int = 1) -> None:
        """Count; check the lease and update the row if the last update is long enough ago, or if
        `n` is 0."""
        self._new += n
        if n == 0 or time.monotonic() - self._written >= WRITE_SECONDS:
            self.finish()

    def finish(self) -> None:
        """Check the lease, and add what is not yet in the row."""
        self._written = time.monotonic()
        try:
            self._check()
            done = Least(F("done") + self._new, F("total"))
            self._own.update(done=done, heartbeat_at=timezone.now())
        except outages.ERRORS as error:
            self._outage.note(error)
        else:
            self._outage.over()
            self._new = 0
