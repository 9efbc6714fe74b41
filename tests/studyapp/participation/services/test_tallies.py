"""The tally's counts stay those of counting everyone, whatever happens to a participation."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta

import pytest
from django.db.models import Q

from studyapp.core import clock
from studyapp.models import Participation, Study, Tally, Trial
from studyapp.participation.selectors import places
from studyapp.participation.services import (
    assignment,
    participations,
    steps,
    tallies,
    withdrawal,
)
from studyapp.studies.services.allocation import Counts
from tests.studyapp.factories import make_study

pytestmark = pytest.mark.django_db
Status = Participation.Status


def counted_one_by_one(study: Study, *, simulated: bool) -> Counts:
    """The counts of whoever has a place or lost it, from the rows alone."""
    now = clock.now()
    placed = study.participations.filter(assigned_at__isnull=False, simulated=simulated)
    holding = Q(status=Status.COMPLETE) | Q(
        status=Status.ACTIVE, lease_expires_at__gt=now - places.GRACE
    )
    held = placed.filter(holding)
    trials = Trial.objects.filter(kind=Trial.Kind.MAIN)
    drawn = Counter(
        trials.filter(participation__in=placed).values_list("item__identifier", flat=True)
    )
    kept = Counter(trials.filter(participation__in=held).values_list("item__identifier", flat=True))
    methods = Counter(held.values_list("condition__method", flat=True))
    return Counts(
        held={one.method: methods[one.method] for one in study.conditions.order_by("method")},
        ratings={
            item: (kept[item], drawn[item] - kept[item])
            for item in study.items.filter(role="main").values_list("identifier", flat=True)
        },
    )


def expire(study: Study, someone: Participation) -> None:
    past = clock.now() - timedelta(hours=1)
    Participation.objects.filter(pk=someone.pk).update(lease_expires_at=past)


def come_back(study: Study, someone: Participation) -> None:
    assignment.keep_place(participation=Participation.objects.get(pk=someone.pk))


def end(study: Study, someone: Participation) -> None:
    Participation.objects.filter(pk=someone.pk, status=Status.ACTIVE).update(
        status=random.choice([Status.COMPLETE, Status.RETURNED, Status.TIMED_OUT])
    )


def screen_out(study: Study, someone: Participation) -> None:
    steps.screen_out(participation=someone, reason="headphones")


def withdraw(study: Study, someone: Participation) -> None:
    someone.refresh_from_db()
    if someone.status in withdrawal.WITHDRAWABLE:
        withdrawal.withdraw(participation=someone)


@pytest.mark.parametrize("design", Study.Design.values)
@pytest.mark.parametrize("seed", range(3))
def test_counts_are_those_of_counting_everyone(
    design: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixty things happen in some order to people and to simulated listeners."""
    random.seed(seed)
    monkeypatch.setattr(tallies, "FEWEST", 2)
    study = make_study(design=design, features=6, ratings_per_item=40)
    everyone: list[Participation] = []
    for number in range(60):
        if number < 4 or random.random() < 0.4:
            someone = participations.begin(study=study, simulated=random.random() < 0.3)
            everyone.append(participations.consent(participation=someone))
        else:
            act = random.choice([expire, expire, come_back, end, end, screen_out, withdraw])
            act(study, random.choice(everyone))
        simulated = random.random() < 0.3
        found = assignment.state_of(study, clock.now(), simulated=simulated)
        truth = counted_one_by_one(study, simulated=simulated)
        assert found == truth
        held = places.places_held(study=study, now=clock.now(), simulated=simulated)
        assert held == sum(truth.held.values()) or design == Study.Design.WITHIN
    assert study.participations.filter(tallied=True).exists()
    assert study.participations.filter(counted_as_held=False).exists()


def test_those_who_are_counted_are_not_looked_up_again() -> None:
    study = make_study(features=6, ratings_per_item=9)
    for _ in range(3):
        participations.consent(participation=participations.begin(study=study))
    assert places.changes(study, clock.now(), simulated=False) == []
    assert Tally.objects.get().places == 3


def test_participations_from_before_the_tally_are_counted_once() -> None:
    study = make_study(features=6, ratings_per_item=9)
    for _ in range(3):
        participations.consent(participation=participations.begin(study=study))
    Tally.objects.all().delete()
    study.participations.update(counted_as_held=None)
    assert places.places_held(study=study, now=clock.now()) == 3
    for _ in range(2):
        participations.consent(participation=participations.begin(study=study))
    assert Tally.objects.get().places == 5
    assert assignment.state_of(study, clock.now()) == counted_one_by_one(study, simulated=False)
