"""Jobs: enqueued with a row, claimed by a lease, kept by a heartbeat, guarded by a fence.

Whoever changes a job from waiting to running by one conditional update holds it, under a fence
number that nobody had before. The holder's heartbeat pushes the lease on. When the holder dies,
the lease runs out and the sweeper makes the job wait again; when it was only slow, its number is
too old by then and `Held.check` tells it to stop. All times of a lease are the database's: two
machines' clocks may differ. The broker carries nothing but "look at this queue" (`services/bell`),
so that it can be restarted or emptied at any time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import (
    IntegrityError,
    close_old_connections,
    connection,
    transaction,
)
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from studyapp.jobs.services import outages, processes
from studyapp.jobs.services.bell import ring
from studyapp.models import Job

logger = logging.getLogger(__name__)

UNFINISHED = (Job.State.WAITING, Job.State.RUNNING)
LEASE = timedelta(seconds=30)
HEARTBEAT_SECONDS = 5.0
SWEEP_SECONDS = 10.0
MOST_LOSSES = 3
"""A job whose worker died so often on the same piece of it is failed, not tried for ever."""
LONGEST_PAUSE = timedelta(minutes=1)


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
        # Somebody else's is waiting or running; if it ended this very moment, another is made.
        found = Job.objects.filter(kind=kind, target=target, state__in=UNFINISHED).first()
        return found or enqueue(kind=kind, target=target, queue=queue)
    transaction.on_commit(partial(ring, queue))
    return job


def claim(pk: int) -> Held | None:
    """The job, held by this process; None if it is not waiting."""
    with transaction.atomic():
        taken = Job.objects.filter(pk=pk, state=Job.State.WAITING).update(
            state=Job.State.RUNNING,
            fence=F("fence") + 1,
            attempts=F("attempts") + 1,
            lease_expires_at=Now() + LEASE,
            worker=processes.name(),
            started_at=Now(),
            error="",
        )
        if not taken:
            return None
        job = Job.objects.get(pk=pk)
        return Held(job, job.fence)


def claim_next(queue: str) -> Held | None:
    """The job of the queue that waits longest, held by this process; None if none is due.

    One message wakes one worker; where more is due, that worker rings for the next.
    """
    while (pk := _due(queue).values_list("pk", flat=True).first()) is not None:
        held = claim(pk)
        if held is not None:
            if _due(queue).exists():
                ring(queue)
            return held
    return None


def _due(queue: str | None = None) -> QuerySet[Job]:
    """What waits and may be claimed now, the oldest first."""
    due = Job.objects.filter(state=Job.State.WAITING).order_by("pk")
    due = due.filter(Q(not_before=None) | Q(not_before__lte=Now()))
    return due if queue is None else due.filter(queue=queue)


def finish(held: Held) -> None:
    """Call the job done; `LostError` if it is not this holder's any more."""
    _end(held, state=Job.State.DONE)


def fail(held: Held, reason: str) -> None:
    """Call the job failed, with the one line that says why."""
    _end(held, state=Job.State.FAILED, error=reason)


def release(held: Held, *, queue: str) -> None:
    """Hand the job on to another queue's workers, who go on with it."""
    _end(held, state=Job.State.WAITING, queue=queue, finished_at=None)
    transaction.on_commit(partial(ring, queue))


def defer(held: Held) -> None:
    """Put the job back because something is in its way; each time for twice as long."""
    deferrals = held.job.deferrals + 1
    pause = min(timedelta(seconds=2.0 ** min(deferrals, 10)), LONGEST_PAUSE)
    due = {"not_before": Now() + pause, "deferrals": deferrals}
    _end(held, state=Job.State.WAITING, finished_at=None, **due)


def note_progress(held: Held) -> None:
    """A piece of the job is finished: deaths and pauses are counted from here again."""
    Job.objects.filter(held.rows()).update(losses=0, deferrals=0)


def stop(*, kind: str, target: int) -> bool:
    """Stop the unfinished job, if there is one: its holder notices at its next check."""
    unfinished = Job.objects.filter(kind=kind, target=target, state__in=UNFINISHED)
    return bool(unfinished.update(state=Job.State.STOPPED, finished_at=Now()))


def sweep() -> int:
    """Make what a dead worker held wait again, ring each queue that has due jobs; how many have.

    Dead is who let the lease run out, or was a process of this machine and is none any more. A job
    that has lost `MOST_LOSSES` workers is failed instead.
    """
    lost = _lost()
    # Counted in the same statement that decides, so that two sweepers count one death once.
    given_up = lost.filter(losses__gte=MOST_LOSSES - 1).update(
        state=Job.State.FAILED,
        losses=F("losses") + 1,
        error=f"the worker died {MOST_LOSSES} times while working on this "
        "(killed, or out of memory?); its log says more",
        finished_at=Now(),
    )
    freed = lost.update(state=Job.State.WAITING, losses=F("losses") + 1)
    if freed or given_up:
        logger.warning("lost workers: %d jobs wait again, %d are given up", freed, given_up)
    queues = set(_due().values_list("queue", flat=True))
    for queue in sorted(queues):
        ring(queue)
    return len(queues)


def _lost() -> QuerySet[Job]:
    running = Job.objects.filter(state=Job.State.RUNNING)
    workers = set(running.values_list("worker", flat=True))
    dead = [worker for worker in workers if processes.is_dead_here(worker)]
    return running.filter(Q(lease_expires_at__lt=Now()) | Q(worker__in=dead))


def start_sweeper(*others: Callable[[], object]) -> None:
    """In a worker that is ready: sweep now and go on, in a thread that ends with it.

    `others` are called before each sweep.
    """

    def look() -> None:
        away, over = False, threading.Event()
        while True:
            close_old_connections()
            try:
                if away:
                    _await_heartbeats()
                for other in others:
                    other()
                sweep()
                away = False
            except Exception:  # The database may be away: logged, and the next look is in seconds.
                logger.exception("looking for abandoned jobs failed; trying again")
                away = True
            over.wait(SWEEP_SECONDS)

    threading.Thread(target=look, daemon=True, name="sweeper").start()


def _await_heartbeats() -> None:
    """After an outage: every holder that lives gets the time to say so, before any is called dead.

    Raises what the database raises while it is still away.
    """
    connection.ensure_connection()
    time.sleep(2 * HEARTBEAT_SECONDS)


@contextmanager
def heartbeat(held: Held) -> Iterator[None]:
    """Push the lease on while the context lasts, however long a step takes."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(HEARTBEAT_SECONDS):
            try:
                Job.objects.filter(held.rows()).update(lease_expires_at=Now() + LEASE)
            except outages.AWAY as error:
                logger.warning("no heartbeat for job %s this time: %s", held.job.pk, error)
                # A broken connection stays broken: the next beat opens another.
                connection.close()
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
        self._outage = outages.Outage()

    def __call__(self) -> None:
        """Raise `LostError` if it is not; a database that is away for a moment changes nothing."""
        if time.monotonic() - self._asked < self._seconds:
            return
        self._asked = time.monotonic()
        try:
            self._held.check()
        except outages.AWAY as error:
            self._outage.note(error)
        else:
            self._outage.over()


def _end(held: Held, **changes: Any) -> None:
    ended = Job.objects.filter(held.rows()).update(**{"finished_at": Now(), **changes})
    if not ended:
        raise LostError(f"job {held.job.pk} is not ours any more")
