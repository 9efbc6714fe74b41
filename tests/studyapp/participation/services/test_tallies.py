"""Finished participations are added up once, and the counts stay those of counting all of them."""

from __future__ import annotations

import pytest

from studyapp.core import clock
from studyapp.models import Participation, Study, Tally
from studyapp.participation.selectors import places
from studyapp.participation.services import assignment, participations, tallies, withdrawal
from studyapp.studies.services.allocation import Counts
from tests.studyapp.factories import make_study

pytestmark = pytest.mark.django_db
Status = Participation.Status
ENDS = [Status.COMPLETE, Status.TIMED_OUT, Status.COMPLETE, Status.RETURNED, Status.SCREENED_OUT,
        Status.COMPLETE, Status.ACTIVE]  # fmt: skip


def counted_one_by_one(study: Study, *, simulated: bool) -> Counts:
    """The counts as they are without a tally."""
    study.tallies.all().delete()
    study.participations.update(tallied=False)
    return assignment.state_of(study, clock.now(), simulated=simulated)


@pytest.mark.parametrize("design", Study.Design.values)
def test_counts_are_those_of_counting_everyone(
    design: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tallies, "FEWEST", 1)
    study = make_study(design=design, features=6, ratings_per_item=9)
    for number, status in enumerate(ENDS * 2):
        someone = participations.begin(study=study, simulated=number % 2 == 1)
        participations.consent(participation=someone)
        Participation.objects.filter(pk=someone.pk).update(status=status)
    for simulated in (False, True):
        tallies.add_finished(study, clock.now(), simulated=simulated)
        tallied = study.participations.filter(tallied=True, simulated=simulated)
        assert {one.status for one in tallied} == set(ENDS) - {Status.ACTIVE}
        for status in (Status.COMPLETE, Status.TIMED_OUT):
            withdrawal.withdraw(participation=tallied.filter(status=status)[0])
        now = clock.now()
        held = places.places_held(study=study, now=now, simulated=simulated)
        by_tally = assignment.state_of(study, now, simulated=simulated)
        assert by_tally == counted_one_by_one(study, simulated=simulated)
        assert held == places.places_held(study=study, now=now, simulated=simulated)
        assert sum(by_tally.held.values()) == (held if design == Study.Design.BETWEEN else 0)


def test_few_are_counted_without_writing() -> None:
    study = make_study(features=6, ratings_per_item=9)
    for _ in range(3):
        someone = participations.begin(study=study)
        participations.consent(participation=someone)
        Participation.objects.filter(pk=someone.pk).update(status=Status.COMPLETE)
    assert not Tally.objects.exists()
    assert places.places_held(study=study, now=clock.now()) == 3
