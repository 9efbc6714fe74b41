"""Jobs: rows that are claimed under a lease, kept by a heartbeat and guarded by a fence number.

A worker claims a job by one conditional update from waiting to running, which gives it a new fence
number. Its heartbeat renews the lease. When the worker dies, the lease expires and the sweeper puts
the job back in the queue; when the worker was only slow, its fence number is out of date by then
and `JobLease.check` tells it to stop. Lease times use the database's clock, because the clocks of
two machines may differ. The broker only carries the message "look at this queue"
(`services/notifications`), so it can be restarted or emptied at any time.

A job may be divided into pieces: jobs of their own, with lease, heartbeat and fence, whose parent
it is. The parent is put back until all of them are done, or one has failed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import (
    IntegrityError,
    close_old_connections,
    connection,
    transaction,
)
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from studyapp.jobs.services import outages, processes
from studyapp.jobs.services.notifications import notify_workers
from studyapp.models import Job, Run

logger = logging.getLogger(__name__)

LEASE_TIME = timedelta(seconds=30)
HEARTBEAT_SECONDS = 5.0
SWEEP_SECONDS = 10.0
MAX_LOSSES = 3
"""A job fails once this many workers have died on the same piece of it."""
MAX_PAUSE = timedelta(minutes=1)
PIECES_PAUSE = timedelta(minutes=10)
"""A job whose pieces are under way looks again after this long; the last piece wakes it before."""


MADE_ANYWHERE = ("run", "run_piece")
"""Kinds of jobs that need nothing of the site's data folder if the run's files are in a store."""


class WorkError(Exception):
    """The work cannot be done; the message is the one line that is shown to users."""


class LeaseLostError(Exception):
    """The lease was lost: another worker has the job, or it was stopped. Write nothing more."""


@dataclass(frozen=True)
class JobLease:
    """A claimed job and the fence number of that claim."""

    job: Job
    fence: int
    kept: dict[str, Any] = field(default_factory=dict, compare=False)
    """What the worker keeps open from one piece of a job to the next."""

    def condition(self) -> Q:
        """Return the condition that the lease is still valid."""
        return Q(pk=self.job.pk, fence=self.fence, state=Job.State.RUNNING)

    def check(self) -> None:
        """Raise `LeaseLostError` if the lease was lost."""
        if not Job.objects.filter(self.condition()).exists():
            raise LeaseLostError(f"this worker has lost its lease on job {self.job.pk}")

    def lock(self) -> None:
        """Lock the job until the transaction ends. Raises `LeaseLostError` if the lease is lost."""
        if not Job.objects.select_for_update().filter(self.condition()).exists():
            raise LeaseLostError(f"this worker has lost its lease on job {self.job.pk}")


def enqueue(*, kind: str, target: int, queue: str) -> Job:
    """Return the unfinished job of that kind and target; if there is none, create it.

    Workers are notified on commit.
    """
    try:
        with transaction.atomic():
            job = Job.objects.create(kind=kind, target=target, queue=queue)
    except IntegrityError:
        # There is an unfinished job already. If it ended just now, create another one.
        found = Job.objects.filter(kind=kind, target=target, state__in=Job.UNFINISHED).first()
        return found or enqueue(kind=kind, target=target, queue=queue)
    transaction.on_commit(partial(notify_workers, queue))
    return job


def claim(pk: int) -> JobLease | None:
    """Claim the job for this process. Returns None if it is not waiting."""
    with transaction.atomic():
        taken = Job.objects.filter(pk=pk, state=Job.State.WAITING).update(
            state=Job.State.RUNNING,
            fence=F("fence") + 1,
            attempts=F("attempts") + 1,
            lease_expires_at=Now() + LEASE_TIME,
            worker=processes.name(),
            started_at=Now(),
            error="",
        )
        if not taken:
            return None
        job = Job.objects.get(pk=pk)
        return JobLease(job, job.fence)


def claim_next(queue: str) -> JobLease | None:
    """Claim the job that has waited longest in the queue. Returns None if no job is due.

    One message wakes one worker; if more jobs are due, that worker notifies the next one.
    """
    while (pk := _due(queue).values_list("pk", flat=True).first()) is not None:
        lease = claim(pk)
        if lease is not None:
            if _due(queue).exists():
                notify_workers(queue)
            return lease
    return None


def claim_sibling(lease: JobLease) -> JobLease | None:
    """Claim another piece of the same stage of the same job, with what is kept open for it.

    Returns None if there is none, or if another job is due: it goes first.
    """
    job = lease.job
    if job.parent_id is None or _due(job.queue).filter(parent=None).exists():
        return None
    stage = job.piece.partition("/")[0]
    siblings = _due(job.queue).filter(parent=job.parent_id, piece__startswith=f"{stage}/")
    while (pk := siblings.values_list("pk", flat=True).first()) is not None:
        taken = claim(pk)
        if taken is not None:
            return JobLease(taken.job, taken.fence, lease.kept)
    return None


def _due(queue: str | None = None) -> QuerySet[Job]:
    """Jobs that this process may claim now, the oldest first, and pieces of jobs after all
    others."""
    due = Job.objects.filter(state=Job.State.WAITING)
    due = due.order_by(F("parent").asc(nulls_first=True), "pk")
    due = due.filter(Q(not_before=None) | Q(not_before__lte=Now()))
    if settings.ELSEWHERE:
        stored = Run.objects.exclude(remote="").values("pk")
        due = due.filter(kind__in=MADE_ANYWHERE, target__in=stored)
    return due if queue is None else due.filter(queue=queue)


def divide(lease: JobLease, *, kind: str, pieces: Sequence[str]) -> None:
    """Make a job of each piece, in the same queue, and put the job back until they have ended."""
    job = lease.job
    made = [
        Job(kind=kind, target=job.target, queue=job.queue, parent=job, piece=piece)
        for piece in pieces
    ]
    with transaction.atomic():
        lease.lock()
        Job.objects.bulk_create(made)
        await_pieces(lease)
    transaction.on_commit(partial(notify_workers, job.queue))


@transaction.atomic
def await_pieces(lease: JobLease) -> bool:
    """Put the job back until its pieces have ended. Returns False if they have, or one failed."""
    lease.lock()
    if _may_go_on(lease.job.pk):
        return False
    later = Now() + PIECES_PAUSE
    _end(lease, state=Job.State.WAITING, finished_at=None, not_before=later, deferrals=0)
    return True


def finish(lease: JobLease) -> None:
    """Mark the job as done. Raises `LeaseLostError` if the lease was lost."""
    _end(lease, state=Job.State.DONE)


def fail(lease: JobLease, reason: str) -> None:
    """Mark the job as failed; `reason` is the one line that says why."""
    _end(lease, state=Job.State.FAILED, error=reason)


def release(lease: JobLease, *, queue: str) -> None:
    """Put the job into another queue, whose workers continue it."""
    _end(lease, state=Job.State.WAITING, queue=queue, finished_at=None)
    transaction.on_commit(partial(notify_workers, queue))


def defer(lease: JobLease) -> None:
    """Put the job back because something blocks it; the pause doubles each time."""
    deferrals = lease.job.deferrals + 1
    pause = min(timedelta(seconds=2.0 ** min(deferrals, 10)), MAX_PAUSE)
    due = {"not_before": Now() + pause, "deferrals": deferrals}
    _end(lease, state=Job.State.WAITING, finished_at=None, **due)


def postpone(lease: JobLease, pause: timedelta) -> None:
    """Put the job back for that long, because what it needs did not work this time."""
    _end(lease, state=Job.State.WAITING, finished_at=None, not_before=Now() + pause)


def note_progress(lease: JobLease) -> None:
    """Note that a piece of the job is finished, and reset the counts of losses and deferrals."""
    Job.objects.filter(lease.condition()).update(losses=0, deferrals=0)


def stop(*, kind: str, target: int) -> bool:
    """Stop the unfinished job, if there is one; its worker notices at its next check."""
    unfinished = Job.objects.filter(kind=kind, target=target, state__in=Job.UNFINISHED)
    stopped = unfinished.update(state=Job.State.STOPPED, finished_at=Now())
    _stop_pieces()
    return bool(stopped)


def sweep() -> int:
    """Requeue the jobs of dead workers, notify each queue with due jobs, and return how many.

    A worker counts as dead if its lease expired, or if it was a process of this machine and no
    longer exists. A job that has lost `MAX_LOSSES` workers fails instead.
    """
    lost = _lost()
    # One statement decides and counts, so that two sweepers count one death once.
    failed = lost.filter(losses__gte=MAX_LOSSES - 1).update(
        state=Job.State.FAILED,
        losses=F("losses") + 1,
        error=f"the worker died {MAX_LOSSES} times while working on this "
        "(killed, or out of memory?); see its log",
        finished_at=Now(),
    )
    freed = lost.update(state=Job.State.WAITING, losses=F("losses") + 1)
    if freed or failed:
        logger.warning("lost workers: %d jobs requeued, %d jobs failed", freed, failed)
    # Also those that a sweeper left which was killed after its first statement.
    _stop_pieces()
    if failed:
        _wake(Q(pieces__state=Job.State.FAILED))
    queues = set(_due().values_list("queue", flat=True))
    for queue in sorted(queues):
        notify_workers(queue)
    return len(queues)


def _lost() -> QuerySet[Job]:
    running = Job.objects.filter(state=Job.State.RUNNING)
    workers = set(running.values_list("worker", flat=True))
    dead = [worker for worker in workers if processes.is_dead_here(worker)]
    return running.filter(Q(lease_expires_at__lt=Now()) | Q(worker__in=dead))


def start_sweeper(*others: Callable[[], object]) -> None:
    """Sweep at once, then every `SWEEP_SECONDS`, in a thread that ends with the worker.

    `others` are called before each sweep.
    """

    def sweep_repeatedly() -> None:
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
            except Exception:  # The database may be down. Log it; the next sweep is seconds away.
                logger.exception("looking for abandoned jobs failed; trying again")
                away = True
            over.wait(SWEEP_SECONDS)

    threading.Thread(target=sweep_repeatedly, daemon=True, name="sweeper").start()


def _await_heartbeats() -> None:
    """Give every living worker time for a heartbeat after an outage, before any counts as dead.

    Raises the database's own error if it is still down.
    """
    connection.ensure_connection()
    time.sleep(2 * HEARTBEAT_SECONDS)


@contextmanager
def heartbeat(lease: JobLease) -> Iterator[None]:
    """Renew the lease until the context ends, however long a step takes."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(HEARTBEAT_SECONDS):
            try:
                Job.objects.filter(lease.condition()).update(lease_expires_at=Now() + LEASE_TIME)
            except outages.ERRORS as error:
                logger.warning("no heartbeat for job %s this time: %s", lease.job.pk, error)
                # A broken connection stays broken; the next heartbeat opens another one.
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
    """Checks the lease at most once every `seconds`, so that it is cheap to call in a loop."""

    def __init__(self, lease: JobLease, seconds: float = 1.0) -> None:
        self._lease, self._seconds, self._asked = lease, seconds, 0.0
        self._outage = outages.Outage()

    def __call__(self) -> None:
        """Raise `LeaseLostError` if the lease was lost; tolerate a short outage of the database."""
        if time.monotonic() - self._asked < self._seconds:
            return
        self._asked = time.monotonic()
        try:
            self._lease.check()
        except outages.ERRORS as error:
            self._outage.note(error)
        else:
            self._outage.over()


@transaction.atomic
def _end(lease: JobLease, **changes: Any) -> None:
    parent = lease.job.parent_id
    if parent is not None:
        # Before its piece, as `stop` and `divide` do: one of two last pieces sees the other ended.
        Job.objects.select_for_update(no_key=True).filter(pk=parent).first()
    ended = Job.objects.filter(lease.condition()).update(**{"finished_at": Now(), **changes})
    if not ended:
        raise LeaseLostError(f"this worker has lost its lease on job {lease.job.pk}")
    if changes["state"] == Job.State.FAILED:
        _stop_pieces()
    if parent is not None and _may_go_on(parent):
        _wake(Q(pk=parent))


def _may_go_on(parent: int) -> bool:
    """Whether a job need not wait for its pieces any more: all have ended, or one has failed."""
    pieces = Job.objects.filter(parent=parent)
    unfinished = pieces.filter(state__in=Job.UNFINISHED).exists()
    return not unfinished or pieces.filter(state=Job.State.FAILED).exists()


def _wake(condition: Q) -> None:
    """Have jobs that wait for their pieces looked at now."""
    waiting = Job.objects.filter(condition, state=Job.State.WAITING, not_before__gt=Now())
    for pk, queue in list(waiting.values_list("pk", "queue").distinct()):
        Job.objects.filter(pk=pk, state=Job.State.WAITING).update(not_before=None)
        transaction.on_commit(partial(notify_workers, queue))


def _stop_pieces() -> None:
    """Stop the pieces of jobs that have failed or were stopped."""
    over = (Job.State.FAILED, Job.State.STOPPED)
    left = Job.objects.filter(state__in=Job.UNFINISHED, parent__state__in=over)
    left.update(state=Job.State.STOPPED, finished_at=Now())
