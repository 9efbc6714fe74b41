"""Progress of a run as rows: what the worker writes and the run's page reads."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection
from django.utils import timezone

from studyapp.models import Run, StageRecord

logger = logging.getLogger(__name__)

WRITE_SECONDS = 0.5
"""A stage's row is written at most so often while it works."""
HEARTBEAT_SECONDS = 5.0
NOTE_LENGTH = 300


class RowProgress:
    """A `pipeline.progress.Progress` that writes one stage's row."""

    def __init__(self, record: StageRecord) -> None:
        self._record = record
        self._written = 0.0

    def start(self, stage: str, total: int, unit: str) -> None:
        """A piece of work begins; its name is noted where it is not the stage's own."""
        self._record.done, self._record.total, self._record.unit = 0, total, unit[:30]
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
        self._write()

    def finish(self) -> None:
        """The piece of work is over: its last count is written."""
        self._write()

    def _write(self) -> None:
        self._record.heartbeat_at = timezone.now()
        self._record.save(update_fields=["done", "total", "unit", "note", "heartbeat_at"])
        self._written = time.monotonic()


@contextmanager
def heartbeat(run: Run) -> Iterator[None]:
    """Touch the run's stage rows every few seconds, however long a step takes.

    Without it a step of minutes would look like a worker that died.
    """
    over = threading.Event()

    def beat() -> None:
        while not over.wait(HEARTBEAT_SECONDS):
            try:
                run.stages.update(heartbeat_at=timezone.now())
            except OperationalError as error:
                logger.warning("no heartbeat for run %s this time: %s", run, error)
        connection.close()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
