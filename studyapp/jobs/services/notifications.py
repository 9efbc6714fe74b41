"""Messages to workers: "a job waits in your queue". All are sent from a single thread.

The database rows are authoritative; the broker only notifies. A lost message only causes a delay,
because the sweeper sends another one.
"""

from __future__ import annotations

import logging
import os
import threading

from kombu.exceptions import OperationalError

from studyapp.celery import app

logger = logging.getLogger(__name__)

TASK = "studyapp.work"
MESSAGE_SECONDS = 60.0
"""A message that no worker has taken after this long is dropped; the sweeper sends another one."""


class Notifier:
    """Notifies queues one after another; a queue that is already listed is not listed twice.

    It sends from a thread, because a page must not wait for a broker that does not answer (seven
    seconds, measured), and from only one thread, because a sweep may find thousands of waiting
    jobs.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queues: dict[str, None] = {}
        self._thread: threading.Thread | None = None

    def notify(self, queue: str) -> None:
        """Send a message to the queue soon; does nothing if one is about to be sent anyway."""
        with self._lock:
            self._queues[queue] = None
            if self._thread is None:
                thread = threading.Thread(target=self._send_all, name="notifier")
                thread.start()
                self._thread = thread

    def _send_all(self) -> None:
        while (queue := self._next()) is not None:
            try:
                app.send_task(TASK, args=[queue], queue=queue, retry=False, expires=MESSAGE_SECONDS)
            except OperationalError as error:
                logger.warning("no broker: jobs of queue %s wait (%s)", queue, error)
            except Exception:  # Any other error must not end the thread.
                logger.exception("queue %s could not be notified", queue)

    def _next(self) -> str | None:
        """Return the queue that was listed first. None ends the thread, under the lock."""
        with self._lock:
            queue = next(iter(self._queues), None)
            if queue is None:
                self._thread = None
            else:
                del self._queues[queue]
            return queue


_notifier = Notifier()


def notify_workers(queue: str) -> None:
    """Tell one worker of the queue that a job waits."""
    _notifier.notify(queue)


def _start_over() -> None:
    """Reset the notifier in a forked process, where the parent's thread does not exist.

    Whatever lock that thread held would never be released here.
    """
    _notifier.__init__()  # type: ignore[misc] # the one object that every caller holds is renewed


os.register_at_fork(after_in_child=_start_over)
