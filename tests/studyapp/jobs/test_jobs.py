"""Jobs: claimed once, lost with the lease, guarded by a fence number, announced again."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from studyapp.jobs.services import jobs, notifications, processes
from studyapp.models import Job

pytestmark = pytest.mark.django_db


def _job(target: int = 1, queue: str = "cpu") -> Job:
    return jobs.enqueue(kind="feature_view", target=target, queue=queue)


def test_an_unfinished_job_is_not_made_twice_and_a_finished_one_is() -> None:
    first = _job()
    assert _job() == first
    lease = jobs.claim(first.pk)
    assert lease is not None
    assert _job() == first
    jobs.finish(lease)
    assert _job() != first


def test_only_one_claims(notified: list[str]) -> None:
    job = _job()
    assert jobs.claim(job.pk) is not None
    assert jobs.claim(job.pk) is None
    assert jobs.claim(job.pk + 1) is None


def test_without_the_lease_a_job_can_neither_finish_nor_write(notified: list[str]) -> None:
    job = _job()
    old = jobs.claim(job.pk)
    assert old is not None
    assert jobs.sweep() == 0
    Job.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert jobs.sweep() == 1
    assert notified == ["cpu"]
    new = jobs.claim(job.pk)
    assert new is not None
    assert (old.fence, new.fence) == (1, 2)
    for act in (old.check, lambda: jobs.finish(old), lambda: jobs.fail(old, "x")):
        with pytest.raises(jobs.LeaseLostError, match="has lost its lease"):
            act()
    with pytest.raises(jobs.LeaseLostError), transaction.atomic():
        old.lock()
    jobs.finish(new)
    assert Job.objects.get().state == Job.State.DONE


def _dead_process() -> str:
    """The name of a process on this machine that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    return processes.name().replace(f":{os.getpid()}", f":{ended.pid}")


def test_what_a_dead_process_of_this_machine_held_waits_again_at_once() -> None:
    assert jobs.claim(_job().pk) is not None
    Job.objects.update(worker=_dead_process())
    assert jobs.sweep() == 1
    assert Job.objects.get().losses == 1


@pytest.mark.parametrize("worker", ["another-machine/7:1", "another-machine:4194304", "", "x:y"])
def test_a_job_held_by_another_machine_is_left_to_its_lease(worker: str) -> None:
    """Two sites on one database, each with its own broker, do not touch each other's jobs."""
    assert jobs.claim(_job().pk) is not None
    Job.objects.update(worker=worker)
    assert jobs.sweep() == 0
    assert Job.objects.get().state == Job.State.RUNNING


def test_a_job_that_lost_three_workers_is_failed_with_that_reason() -> None:
    job = _job()
    for losses in (1, 2, 3):
        assert jobs.claim(job.pk) is not None
        Job.objects.update(worker=_dead_process())
        jobs.sweep()
        job.refresh_from_db()
        assert job.losses == losses
    assert job.state == Job.State.FAILED
    assert job.error.startswith("the worker died 3 times while working on this")
    assert jobs.sweep() == 0


def test_each_queue_is_notified_once_however_many_jobs_wait(notified: list[str]) -> None:
    for target in range(20):
        _job(target, "cpu")
    _job(20, "gpu")
    assert jobs.sweep() == 2
    assert notified == ["cpu", "gpu"]


def test_a_worker_takes_the_oldest_job_and_notifies_the_next_worker(notified: list[str]) -> None:
    first, other, second = _job(1), _job(2, "gpu"), _job(3)
    lease = jobs.claim_next("cpu")
    assert lease is not None
    assert lease.job == first
    assert notified == ["cpu"]
    lease = jobs.claim_next("cpu")
    assert lease is not None
    assert lease.job == second
    assert notified == ["cpu"]
    assert jobs.claim_next("cpu") is None
    assert Job.objects.get(pk=other.pk).state == Job.State.WAITING


def test_a_deferred_job_waits_its_time_and_others_pass_it(notified: list[str]) -> None:
    lease = jobs.claim(_job(1).pk)
    assert lease is not None
    jobs.defer(lease)
    later = _job(2)
    assert jobs.sweep() == 1
    taken = jobs.claim_next("cpu")
    assert taken is not None
    assert taken.job == later
    assert (jobs.claim_next("cpu"), jobs.sweep()) == (None, 0)
    Job.objects.update(not_before=timezone.now() - timedelta(seconds=1))
    taken = jobs.claim_next("cpu")
    assert taken is not None
    assert taken.job == lease.job


def test_one_thread_sends_a_thousand_notifications(monkeypatch: pytest.MonkeyPatch) -> None:
    sent, most = [], [0]
    block = threading.Event()

    def send(*_: Any, queue: str, **__: Any) -> None:
        block.wait(5)
        sent.append(queue)
        most[0] = max(most[0], sum(thread.name == "notifier" for thread in threading.enumerate()))

    monkeypatch.setattr(notifications.app, "send_task", send)
    ours = notifications.Notifier()
    for _ in range(1000):
        ours.notify("cpu")
        ours.notify("gpu")
    block.set()
    until = time.monotonic() + 5
    while any(thread.name == "notifier" for thread in threading.enumerate()):
        assert time.monotonic() < until
        time.sleep(0.01)
    # The first may be under way when it is asked for again: then it is sent once more.
    assert most == [1]
    assert 2 <= len(sent) <= 3
    ours.notify("api")
    while len(sent) < 3 or sent[-1] != "api":
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_broker_that_is_away_costs_a_line_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def send(*_: Any, **__: Any) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(notifications.app, "send_task", send)
    ours = notifications.Notifier()
    ours.notify("cpu")
    until = time.monotonic() + 5
    while not caplog.text:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert "no broker: jobs of queue cpu wait (connection refused)" in caplog.text


def test_the_notifier_survives_an_unforeseen_error(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []

    def send(*_: Any, queue: str, **__: Any) -> None:
        sent.append(queue)
        if queue == "cpu":
            raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr(notifications.app, "send_task", send)
    ours = notifications.Notifier()
    until = time.monotonic() + 5
    for queue in ("cpu", "gpu"):
        ours.notify(queue)
        while queue not in sent:
            assert time.monotonic() < until
            time.sleep(0.01)


def test_a_stopped_job_is_lost_to_its_holder() -> None:
    lease = jobs.claim(_job().pk)
    assert lease is not None
    assert jobs.stop(kind="feature_view", target=1)
    assert not jobs.stop(kind="feature_view", target=1)
    with pytest.raises(jobs.LeaseLostError):
        jobs.finish(lease)


def _divided(*pieces: str) -> Job:
    job = jobs.enqueue(kind="run", target=9, queue="cpu")
    lease = jobs.claim(job.pk)
    assert lease is not None
    jobs.divide(lease, kind="run_piece", pieces=pieces)
    return job


def test_a_divided_job_waits_for_its_last_piece(notified: list[str]) -> None:
    job = _divided("a/1", "a/2")
    first = jobs.claim_next("cpu")
    assert first is not None
    second = jobs.claim_sibling(first)
    assert second is not None
    assert (first.job.piece, second.job.piece, second.kept is first.kept) == ("a/1", "a/2", True)
    jobs.finish(first)
    assert jobs.claim_next("cpu") is None
    jobs.finish(second)
    lease = jobs.claim_next("cpu")
    assert lease is not None
    assert lease.job == job
    assert not jobs.await_pieces(lease)


def test_a_piece_that_lost_three_workers_wakes_its_job_at_once(notified: list[str]) -> None:
    job = _divided("a/1", "a/2")
    for _ in range(3):
        assert jobs.claim(job.pieces.get(piece="a/1").pk) is not None
        Job.objects.filter(piece="a/1").update(worker=_dead_process())
        jobs.sweep()
    assert job.pieces.get(piece="a/1").state == Job.State.FAILED
    lease = jobs.claim_next("cpu")
    assert lease is not None
    assert lease.job == job
    assert not jobs.await_pieces(lease)
    jobs.fail(lease, "a piece failed")
    assert job.pieces.get(piece="a/2").state == Job.State.STOPPED


def test_pieces_left_by_a_sweeper_that_was_killed_are_stopped_by_the_next() -> None:
    job = _divided("a/1", "a/2")
    Job.objects.filter(pk=job.pk).update(state=Job.State.FAILED)
    jobs.sweep()
    assert set(job.pieces.values_list("state", flat=True)) == {"stopped"}


def test_pauses_before_a_job_was_divided_do_not_count_afterwards(notified: list[str]) -> None:
    job = jobs.enqueue(kind="run", target=9, queue="cpu")
    Job.objects.update(deferrals=6)
    lease = jobs.claim(job.pk)
    assert lease is not None
    jobs.divide(lease, kind="run_piece", pieces=["a/1"])
    job.refresh_from_db()
    assert (job.state, job.deferrals) == (Job.State.WAITING, 0)


def test_other_jobs_go_before_further_pieces(notified: list[str]) -> None:
    _divided("a/1", "a/2", "b/1")
    first = jobs.claim_next("cpu")
    assert first is not None
    other = _job()
    assert jobs.claim_sibling(first) is None
    taken = jobs.claim_next("cpu")
    assert taken is not None
    assert taken.job == other
    assert jobs.claim_sibling(taken) is None
    second = jobs.claim_sibling(first)
    assert second is not None
    assert jobs.claim_sibling(second) is None  # b/1 is of another stage.
