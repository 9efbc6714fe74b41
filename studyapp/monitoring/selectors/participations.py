"""Reads for the list of participations in a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Max, QuerySet
from django.utils import timezone

from studyapp.models import Participation, ProblemReport, Study, Trial
from studyapp.monitoring.selectors.steps import pages_of

PAGE = 50
"""Participations on one page of the list."""
NEWEST_PROBLEMS = 200
"""Reports of problems on their page; an export has all."""


@dataclass(frozen=True)
class ListedParticipation:
    """A row of the list."""

    participation: Participation
    page: str
    """The page it is on, or ended on."""
    answered: int
    trials: int
    last_answer_at: datetime | None

    @property
    def is_inactive(self) -> bool:
        """Whether its status is active although the participant did not come back in time."""
        return is_inactive(self.participation)


def listed(
    study: Study, *, before: int | None = None
) -> tuple[list[ListedParticipation], int | None]:
    """A page of participations, newest first, and where the next page begins (None at the end).

    Read by primary key, so that later pages cost no more than the first.
    """
    found = study.participations.order_by("-pk")
    if before is not None:
        found = found.filter(pk__lt=before)
    rows = list(found[: PAGE + 1])
    shown = rows[:PAGE]
    for row in shown:
        row.study = study
    pages = pages_of(study, shown)
    counts = _answers(shown)
    lines = [
        ListedParticipation(row, pages[row.pk].value, *counts.get(row.pk, (0, 0, None)))
        for row in shown
    ]
    return lines, shown[-1].pk if len(rows) > PAGE else None


def named(study: Study, identifier: str) -> Participation | None:
    """The study's participation with that pseudonym."""
    found = study.participations.filter(identifier=identifier).first()
    if found is not None:
        found.study = study
    return found


def problems(study: Study) -> list[ProblemReport]:
    """The newest reports of technical problems."""
    found = ProblemReport.objects.filter(participation__study=study)
    found = found.select_related("participation", "trial").defer("participation__draw")
    return list(found.order_by("-pk")[:NEWEST_PROBLEMS])


def is_inactive(participation: Participation) -> bool:
    """Whether an active participation's time has run out."""
    if participation.status != Participation.Status.ACTIVE:
        return False
    lease = participation.lease_expires_at
    if lease is None:
        minutes = participation.study.lease_minutes
        return participation.created_at < timezone.now() - timedelta(minutes=minutes)
    return lease < timezone.now()


def _answers(rows: Sequence[Participation]) -> dict[int, tuple[int, int, datetime | None]]:
    """Primary key → answered trials, all trials, time of the last answer."""
    trials: QuerySet[Trial] = Trial.objects.filter(participation__in=rows).order_by()
    counted = trials.values_list("participation").annotate(
        answered=Count("response"), n=Count("pk"), at=Max("response__answered_at")
    )
    return {pk: (answered, n, at) for pk, answered, n, at in counted}
