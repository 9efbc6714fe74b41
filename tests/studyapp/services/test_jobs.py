"""Jobs: claimed once, lost by a lease, guarded by a fence, rung again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from studyapp.models import Job
from studyapp.services import jobs

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def rung(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """Bells that were rung."""
    bells: list[tuple[int, str]] = []
    monkeypatch.setattr(jobs, "ring", lambda pk, queue: bells.append((pk, queue)))
    return bells


def _job() -> Job:
    return jobs.enqueue(kind="feature_view", target=1, queue="cpu")


def test_an_unfinished_job_is_not_made_twice_and_a_finished_one_is() -> None:
    first = _job()
    assert _job() == first
    held = jobs.claim(first.pk)
    assert held is not None
    assert _job() == first
    jobs.finish(held)
    assert _job() != first


def test_only_one_claims(rung: list[tuple[int, str]]) -> None:
    job = _job()
    assert jobs.claim(job.pk) is not None
    assert jobs.claim(job.pk) is None
    assert jobs.claim(job.pk + 1) is None


def test_who_lost_the_lease_may_neither_finish_nor_write(rung: list[tuple[int, str]]) -> None:
    job = _job()
    old = jobs.claim(job.pk)
    assert old is not None
    assert jobs.sweep() == 0
    Job.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert jobs.sweep() == 1
    assert rung == [(job.pk, "cpu")]
    new = jobs.claim(job.pk)
    assert new is not None
    assert (old.fence, new.fence) == (1, 2)
    for act in (old.check, lambda: jobs.finish(old), lambda: jobs.fail(old, "x")):
        with pytest.raises(jobs.LostError, match="not ours any more"):
            act()
    with pytest.raises(jobs.LostError), transaction.atomic():
        old.lock()
    jobs.finish(new)
    assert Job.objects.get().state == Job.State.DONE


def test_the_only_worker_takes_up_all_that_was_left() -> None:
    assert jobs.claim(_job().pk) is not None
    assert jobs.sweep(sole_worker=True) == 1


def test_a_bell_is_rung_for_everything_that_waits(rung: list[tuple[int, str]]) -> None:
    job = _job()
    for _ in range(2):
        jobs.sweep()
    assert rung == [(job.pk, "cpu")] * 2


def test_a_stopped_job_is_lost_to_its_holder() -> None:
    held = jobs.claim(_job().pk)
    assert held is not None
    assert jobs.stop(kind="feature_view", target=1)
    assert not jobs.stop(kind="feature_view", target=1)
    with pytest.raises(jobs.LostError):
        jobs.finish(held)
