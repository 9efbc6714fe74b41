"""Ends participations whose participants went away and did not come back.

An abandoned participation is one whose lease has run out, or that was never consented to and is as
old as a lease. It stays active so that its participant can continue if a place is free. An editor
may end all of a study's at once; a worker ends those that were abandoned for a day. Ended ones are
`timed_out`, which is final; their answers are kept.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import QuerySet

from studyapp.core import audit, clock
from studyapp.core.errors import StudyError
from studyapp.models import Participation, Study
from studyapp.participation.selectors import abandonment as selectors
from studyapp.participation.services import leases

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

KEPT_FOR = timedelta(days=1)
"""How long after its lease has run out an abandoned participation can still be continued."""
SWEEP_SECONDS = 600.0
"""Minimum time between two sweeps of one worker, which asks every few seconds."""
_swept: list[float] = []
"""When this process swept last."""


def abandoned(study: Study) -> QuerySet[Participation]:
    """The study's participations that were abandoned until now."""
    now = clock.now()
    return selectors.abandoned(study, now=now, begun_before=now - leases.length(study))


def end_all(*, study: Study, user: User | AnonymousUser) -> int:
    """End the study's abandoned participations for good, on record. Returns how many.

    Raises `StudyError` if there are none, and after the study is closed: its exports never change.
    """
    if study.state not in Study.UNDER_WAY:
        raise StudyError(f"{study} is {study.state}: nobody is taking part in it")
    with transaction.atomic():
        count = _end(abandoned(study), clock.now())
        if not count:
            raise StudyError("no participation is abandoned: all active ones are within their time")
        audit.note(
            user=user, action="ended abandoned participations", target=study,
            project=study.project, count=count,
        )  # fmt: skip
    return count


def sweep() -> None:
    """End what was abandoned for a day, in every study that is not closed; one record per study."""
    if not _swept or time.monotonic() - _swept[-1] >= SWEEP_SECONDS:
        _swept[:] = [time.monotonic()]
        sweep_now()


def sweep_now() -> None:
    """The same at once."""
    now = clock.now()
    for study in selectors.studies_with_abandoned(before=now - KEPT_FOR):
        begun_before = now - KEPT_FOR - leases.length(study)
        found = selectors.abandoned(study, now=now - KEPT_FOR, begun_before=begun_before)
        with transaction.atomic():
            count = _end(found, now)
            if count:
                audit.note(
                    user=None, action="ended abandoned participations", target=study,
                    project=study.project, count=count, rule="a day after the lease",
                )  # fmt: skip


def _end(found: QuerySet[Participation], now: datetime) -> int:
    """One conditional update: whoever comes back at this moment is either ended or stays."""
    return found.update(
        status=Participation.Status.TIMED_OUT, finished_at=now, lease_expires_at=None
    )
