from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from studyapp.core.errors import PlaceLostError, StudyFullError, StudyUnavailableError
from studyapp.models import Participation, Response, Study, Trial
from studyapp.participation.services import assignment, leases, participations
from studyapp.studies.services import frames, lifecycle
from tests.studyapp.factories import METHODS, make_features, make_run, make_study

pytestmark = pytest.mark.django_db


def arrive(study: Study) -> Participation:
    """One more participant, who has consented."""
    return participations.consent(participation=participations.begin(study=study))


def expire(someone: Participation) -> None:
    """Let the lease of a participation run out a minute ago."""
    past = timezone.now() - timedelta(minutes=1)
    Participation.objects.filter(pk=someone.pk).update(lease_expires_at=past)
    someone.refresh_from_db()


def cells(study: Study) -> Counter[tuple[str, str]]:
    rows = Trial.objects.filter(item__study=study)
    return Counter(rows.values_list("participation__condition__method", "item__identifier"))


def test_eighty_participations_fill_every_cell_exactly() -> None:
    """2 conditions × 100 features × 4 ratings = 80 participations × 10 trials."""
    run = make_run()
    make_features(run, count=100)
    study = make_study(
        run=run, features=100, ratings_per_item=4, trials_per_participation=10, slug="even"
    )
    for _ in range(80):
        arrive(study)
    per_condition = Counter(study.participations.values_list("condition__method", flat=True))
    assert per_condition == dict.fromkeys(METHODS, 40)
    assert len(cells(study)) == 200
    assert set(cells(study).values()) == {4}
    with pytest.raises(StudyFullError):
        participations.begin(study=study)


def test_cells_stay_within_one_of_even_all_along() -> None:
    study = make_study(features=5, trials_per_participation=2, ratings_per_item=3)
    for count in range(1, 2 * frames.places_per_condition(study) + 1):
        arrive(study)
        for condition in study.conditions.all():
            per_item = [item.trials.count() for item in condition.items.all()]
            assert max(per_item) - min(per_item) <= 1
        conditions = Counter(study.participations.values_list("condition", flat=True))
        assert max(conditions.values()) - min(conditions.values()) <= 1 or count == 1


def test_a_participation_has_different_features_of_one_condition() -> None:
    study = make_study(features=6, trials_per_participation=4)
    trials = list(arrive(study).trials.select_related("item", "participation"))
    assert len({trial.item.feature_id for trial in trials}) == 4
    assert {trial.item.condition_id for trial in trials} == {trials[0].participation.condition_id}
    assert [trial.number for trial in trials] == [1, 2, 3, 4]


def test_the_stored_seed_decides_the_order_of_trials_and_options() -> None:
    study = make_study(features=6, trials_per_participation=6, ratings_per_item=9)

    def orders(seed: int) -> list[object]:
        someone = participations.begin(study=study)
        Participation.objects.filter(pk=someone.pk).update(seed=seed)
        someone.refresh_from_db()
        trials = participations.consent(participation=someone).trials
        return list(trials.values_list("item__feature", "option_order"))

    first, second, other = orders(7), orders(8), orders(9)
    again = orders(7)
    assert len({str(one) for one in (first, second, other)}) == 3
    assert [order for _, order in first] == [order for _, order in again]


def test_every_order_of_options_is_a_permutation_and_all_places_come_up() -> None:
    study = make_study(features=6, trials_per_participation=6, ratings_per_item=20)
    for _ in range(20):
        arrive(study)
    orders = list(Trial.objects.values_list("option_order", flat=True))
    assert all(sorted(order) == [0, 1, 2, 3, 4] for order in orders)
    firsts = Counter(order[0] for order in orders)
    assert set(firsts) == {0, 1, 2, 3, 4}
    assert max(firsts.values()) < 48  # 24 expected of 120


def test_assigning_twice_changes_nothing() -> None:
    someone = arrive(make_study())
    before = list(someone.trials.values_list("pk", flat=True))
    assignment.assign(participation=someone)
    assert list(someone.trials.values_list("pk", flat=True)) == before


def test_participants_who_do_not_come_back_free_their_place() -> None:
    study = make_study(features=3, trials_per_participation=3)
    first, _second = arrive(study), arrive(study)
    with pytest.raises(StudyFullError):
        participations.begin(study=study)
    expire(first)
    third = arrive(study)
    assert third.condition == first.condition


def test_participants_who_come_back_late_keep_their_place_while_it_is_free() -> None:
    study = make_study(features=3, trials_per_participation=3)
    someone = arrive(study)
    expire(someone)
    assignment.keep_place(participation=someone)
    assert someone.status == Participation.Status.ACTIVE
    assert someone.lease_expires_at is not None
    assert someone.lease_expires_at > timezone.now()


def test_participants_who_come_back_too_late_wait_until_a_place_is_free() -> None:
    """Losing a place is not final, or a clock that jumps ahead would end participations."""
    study = make_study(features=3, trials_per_participation=3)
    someone = arrive(study)
    expire(someone)
    arrive(study), arrive(study)
    for _ in range(2):
        with pytest.raises(PlaceLostError):
            assignment.keep_place(participation=someone)
    someone.refresh_from_db()
    assert (someone.status, someone.finished_at) == (Participation.Status.ACTIVE, None)
    expire(study.participations.exclude(pk=someone.pk).get(condition=someone.condition))
    assignment.keep_place(participation=someone)
    assert someone.lease_expires_at is not None
    assert someone.lease_expires_at > timezone.now()


def test_a_place_is_held_for_a_short_while_until_something_is_answered() -> None:
    study = make_study(features=3, trials_per_participation=2, lease_minutes=90)
    someone = arrive(study)
    assert minutes_held(someone) == 15
    soon = timezone.now() + timedelta(minutes=2)
    Participation.objects.filter(pk=someone.pk).update(lease_expires_at=soon)
    participations.finish_instructions(participation=someone)
    assert minutes_held(someone) == 15
    trial = someone.trials.get(number=1)
    Response.objects.create(
        trial=trial, choice=1, confidence=1, response_ms=1, answered_at=timezone.now()
    )
    leases.renew(participation=someone)
    assert minutes_held(someone) == 90
    short = arrive(make_study(lease_minutes=5))
    assert minutes_held(short) == 5


def minutes_held(someone: Participation) -> int:
    someone.refresh_from_db()
    assert someone.lease_expires_at is not None
    return round((someone.lease_expires_at - timezone.now()).total_seconds() / 60)


def test_dropouts_items_are_given_again() -> None:
    study = make_study(features=6, trials_per_participation=3, methods=[METHODS[0]])
    dropout, other = arrive(study), arrive(study)
    expire(dropout)
    third = arrive(study)
    items = {someone: set(someone.trials.values_list("item", flat=True)) for someone in
             (dropout, other, third)}  # fmt: skip
    assert items[third] == items[dropout]
    assert not items[third] & items[other]


@pytest.mark.parametrize("action", [lifecycle.pause, lifecycle.close])
def test_a_study_that_is_not_open_accepts_no_new_participants(action) -> None:  # type: ignore[no-untyped-def]
    study = make_study()
    waiting = participations.begin(study=study)
    action(study)
    with pytest.raises(StudyUnavailableError):
        participations.begin(study=study)
    with pytest.raises(StudyUnavailableError):
        participations.consent(participation=waiting)
    waiting.refresh_from_db()
    assert waiting.consented_at is None


def test_places_are_rounded_up_so_that_every_item_gets_its_ratings() -> None:
    study = make_study(features=5, trials_per_participation=2, methods=[METHODS[0]])
    assert frames.places_per_condition(study) == 3
    for _ in range(3):
        arrive(study)
    assert sorted(cells(study).values()) == [1, 1, 1, 1, 2]
