"""Jobs: enqueued with a row, claimed by a lease, kept by a heartbeat, guarded by a fence.

Whoever changes a job from waiting to running by one conditional update holds it, under a fence
number that nobody had before. The holder's heartbeat pushes the lease on. When the holder dies,
the lease runs out and the sweeper makes the job wait again; when it was only slow, its number is
too old by then and `Held.check` tells it to stop. The broker carries nothing but the job's number,
so that it can be restarted or emptied at any time.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from django.db import (
    DatabaseError,
    IntegrityError,
    close_old_connections,
    connection,
    transaction,
)
from django.db.models import F, Q
from django.utils import timezone
from kombu.exceptions import OperationalError

from studyapp.celery import app
from studyapp.models import Job

logger = logging.getLogger(__name__)

TASK = "studyapp.work"
UNFINISHED = (Job.State.WAITING, Job.State.RUNNING)
LEASE = timedelta(seconds=30)
HEARTBEAT_SECONDS = 5.0
SWEEP_SECONDS = 10.0
BELL_SECONDS = 60.0
"""A bell that nobody heard for so long is forgotten; the sweeper rings again."""


class WorkError(Exception):
    """The work cannot be done; the message is the one line that a person reads."""


class LostError(Exception):
    """The job is somebody else's by now, or was stopped: its holder must write nothing more."""


@dataclass(frozen=True)
class Held:
    """A claimed job and the number under which it is held."""

    job: Job
    fence: int

    def rows(self) -> Q:
        """The condition under which the job is still this holder's."""
        return Q(pk=self.job.pk, fence=self.fence, state=Job.State.RUNNING)

    def check(self) -> None:
        """Raise `LostError` if the job is not this holder's any more."""
        if not Job.objects.filter(self.rows()).exists():
            raise LostError(f"job {self.job.pk} is not ours any more")

    def lock(self) -> None:
        """Inside a transaction: keep the job from changing hands until it ends, or `LostError`."""
        if not Job.objects.select_for_update().filter(self.rows()).exists():
            raise LostError(f"job {self.job.pk} is not ours any more")


def enqueue(*, kind: str, target: int, queue: str) -> Job:
    """The unfinished job of that kind and target, made if there is none; rung on commit."""
    try:
        with transaction.atomic():
            job = Job.objects.create(kind=kind, target=target, queue=queue)
    except IntegrityError:
        # Somebody else's is waiting or running; if it ended this very moment, one is made anew.
        found = Job.objects.filter(kind=kind, target=target, state__in=UNFINISHED).first()
        return found or enqueue(kind=kind, target=target, queue=queue)
    transaction.on_commit(partial(ring, job.pk, queue))
    return job


def ring(pk: int, queue: str) -> None:
    """Tell the workers of the queue; if the broker is away, the sweeper rings again.

    From a thread: a page must not wait for a broker that does not answer (seven seconds, measured).
    """
    threading.Thread(target=_ring, args=(pk, queue), name="bell").start()


def _ring(pk: int, queue: str) -> None:
    try:
        app.send_task(TASK, args=[pk], queue=queue, retry=False, expires=BELL_SECONDS)
    except OperationalError as error:
        logger.warning("the broker cannot be reached, job %s waits: %s", pk, error)


def claim(pk: int) -> Held | None:
    """The job, held by this process; None if it is not waiting."""
    now = timezone.now()
    with transaction.atomic():
        taken = Job.objects.filter(pk=pk, state=Job.State.WAITING).update(
            state=Job.State.RUNNING,
            fence=F("fence") + 1,
            attempts=F("attempts") + 1,
            lease_expires_at=now + LEASE,
            worker=f"{socket.gethostname()}:{os.getpid()}",
            started_at=now,
            error="",
        )
        if not taken:
            return None
        job = Job.objects.get(pk=pk)
        return Held(job, job.fence)


def finish(held: Held) -> None:
    """Call the job done; `LostError` if it is not this holder's any more."""
    _end(held, state=Job.State.DONE)


def fail(held: Held, reason: str) -> None:
    """Call the job failed, with the one line that says why."""
    _end(held, state=Job.State.FAILED, error=reason)


def release(held: Held, *, queue: str | None = None) -> None:
    """Put the job back, on another queue where given; whoever claims it next goes on with it."""
    queue = queue or held.job.queue
    _end(held, state=Job.State.WAITING, queue=queue)
    transaction.on_commit(partial(ring, held.job.pk, queue))


def stop(*, kind: str, target: int) -> bool:
    """Stop the unfinished job, if there is one: its holder notices at its next check."""
    unfinished = Job.objects.filter(kind=kind, target=target, state__in=UNFINISHED)
    return bool(unfinished.update(state=Job.State.STOPPED, finished_at=timezone.now()))


def sweep(*, sole_worker: bool = False) -> int:
    """Make what a dead worker held wait again, and ring for all that waits; how many rang.

    `sole_worker`: no other worker can exist, so whatever is called running is abandoned.
    """
    held = Job.objects.filter(state=Job.State.RUNNING)
    lost = held if sole_worker else held.filter(lease_expires_at__lt=timezone.now())
    freed = lost.update(state=Job.State.WAITING)
    if freed:
        logger.warning("%d jobs of a lost worker wait again", freed)
    waiting = list(Job.objects.filter(state=Job.State.WAITING).values_list("pk", "queue"))
    for pk, queue in waiting:
        ring(pk, queue)
    return len(waiting)


def start_sweeper(*others: Callable[[], object], sole_worker: bool) -> None:
    """In a worker that is ready: sweep now and go on, in a thread that ends with it.

    `others` are called before each sweep; `sole_worker` holds for the first sweep alone.
    """

    def look() -> None:
        sole, over = sole_worker, threading.Event()
        while True:
            close_old_connections()
            try:
                for other in others:
                    other()
                sweep(sole_worker=sole)
            except Exception:  # The database may be away: logged, and the next look is in seconds.
                logger.exception("looking for abandoned jobs failed; trying again")
            sole = False
            over.wait(SWEEP_SECONDS)

    threading.Thread(target=look, daemon=True, name="sweeper").start()


@contextmanager
def heartbeat(held: Held) -> Iterator[None]:
    """Push the lease on while the context lasts, however long a step takes."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(HEARTBEAT_SECONDS):
            try:
                Job.objects.filter(held.rows()).update(lease_expires_at=timezone.now() + LEASE)
            except DatabaseError as error:
                logger.warning("no heartbeat for job %s this time: %s", held.job.pk, error)
        connection.close()

    thread = threading.Thread(target=beat, daemon=True, name="heartbeat")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class Checker:
    """Asks at most every `seconds` whether the job is still held; cheap to call in a loop."""

    def __init__(self, held: Held, seconds: float = 1.0) -> None:
        self._held, self._seconds, self._asked = held, seconds, 0.0

    def __call__(self) -> None:
        """Raise `LostError` if it is not."""
        if time.monotonic() - self._asked >= self._seconds:
            self._asked = time.monotonic()
            self._held.check()


def _end(held: Held, **changes: str) -> None:
    ended = Job.objects.filter(held.rows()).update(**changes, finished_at=timezone.now())
    if not ended:
        raise LostError(f"job {held.job.pk} is not ours any more")
