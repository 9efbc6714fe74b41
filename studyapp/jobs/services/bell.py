"""The bell: a message to one worker of a queue, "look at your queue", sent from a single thread.

The rows are the truth; a message that is lost costs time only, because the sweeper rings again.
"""

from __future__ import annotations

import logging
import os
import threading

from kombu.exceptions import OperationalError

from studyapp.celery import app

logger = logging.getLogger(__name__)

TASK = "studyapp.work"
BELL_SECONDS = 60.0
"""A message that no worker took for so long is dropped; the sweeper rings again."""


class Bell:
    """Rings queues one after another, each at most once at a time.

    From a thread, since a page must not wait for a broker that does not answer (seven seconds,
    measured); from one thread only, since a sweep may find thousands of waiting jobs.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queues: dict[str, None] = {}
        self._thread: threading.Thread | None = None

    def ring(self, queue: str) -> None:
        """Have the queue rung; does nothing if that is about to happen anyway."""
        with self._lock:
            self._queues[queue] = None
            if self._thread is None:
                thread = threading.Thread(target=self._ring_all, name="bell")
                thread.start()
                self._thread = thread

    def _ring_all(self) -> None:
        while (queue := self._next()) is not None:
            try:
                app.send_task(TASK, args=[queue], queue=queue, retry=False, expires=BELL_SECONDS)
            except OperationalError as error:
                logger.warning("no broker: jobs of queue %s wait (%s)", queue, error)
            except Exception:  # The thread must go on, or nothing is rung again: the rows wait.
                logger.exception("the bell of queue %s could not be rung", queue)

    def _next(self) -> str | None:
        """The queue that waits longest; None ends the thread, under the lock."""
        with self._lock:
            queue = next(iter(self._queues), None)
            if queue is None:
                self._thread = None
            else:
                del self._queues[queue]
            return queue


_bell = Bell()


def ring(queue: str) -> None:
    """Tell one worker of the queue that a job waits."""
    _bell.ring(queue)


def _start_over() -> None:
    """In a forked process: the parent's thread, and whatever it had locked, do not exist here."""
    _bell.__init__()  # type: ignore[misc] # the one object that every caller holds is renewed


os.register_at_fork(after_in_child=_start_over)
