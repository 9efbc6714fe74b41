"""Who hears what: condition, items, their order, the order of options, from the stored seed.

Places are counted under a lock on the study's row, so that simultaneous arrivals queue up and no
place is given twice. A participation takes the condition with the fewest places held and the items
with the fewest ratings there; as every draw levels the counts, cells stay within one of even.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random

from django.db import transaction
from django.utils import timezone

from studyapp.errors import PlaceLostError, StudyFullError, StudyUnavailableError
from studyapp.models import Condition, Participation, Study, Trial
from studyapp.selectors import participation as selectors
from studyapp.services import practice
from studyapp.services.draws import OPTIONS, stream

ALGORITHM = "least-filled-1"
"""Version of the draw; a change of anything below needs a new one."""


def assign(*, participation: Participation) -> Participation:
    """Give the participation its condition, trials and place. A second call changes nothing.

    Raises `StudyUnavailableError` unless the study is open, `StudyFullError` when no place is left.
    """
    with transaction.atomic():
        study = Study.objects.select_for_update().get(pk=participation.study_id)
        participation.refresh_from_db()
        if participation.assigned_at is not None:
            return participation
        if study.state != Study.State.OPEN:
            raise StudyUnavailableError(f"{study} is {study.state}")
        now = timezone.now()
        condition = _condition(study, participation, now)
        items = _items(study, condition, participation, now)
        practised = practice.trials(participation)
        Trial.objects.bulk_create(practised + _trials(participation, items, len(practised)))
        participation.condition = condition
        participation.algorithm = ALGORITHM
        participation.assigned_at = now
        participation.lease_expires_at = now + lease(study)
        participation.save(
            update_fields=["condition", "algorithm", "assigned_at", "lease_expires_at"]
        )
    return participation


def keep_place(*, participation: Participation) -> None:
    """Renew a lease that ran out, while its condition still has room.

    Raises `PlaceLostError` when others have the places now; the participation is then timed out.
    """
    now = timezone.now()
    if participation.lease_expires_at is None or participation.lease_expires_at > now:
        return
    with transaction.atomic():
        study = Study.objects.select_for_update().get(pk=participation.study_id)
        participation.refresh_from_db()
        held = selectors.places_by_condition(study=study, now=now)
        has_room = participation.condition is not None and (
            held[participation.condition] < places_per_condition(study)
        )
        if has_room:
            participation.lease_expires_at = now + lease(study)
        else:
            participation.status = Participation.Status.TIMED_OUT
        participation.save(update_fields=["lease_expires_at", "status"])
    if not has_room:
        raise PlaceLostError(f"{participation} lost its place in {study}")


def is_full(study: Study) -> bool:
    """Whether every place of the study is held just now."""
    held = selectors.places_by_condition(study=study, now=timezone.now())
    return all(count >= places_per_condition(study) for count in held.values())


def places_per_condition(study: Study) -> int:
    """Participations that a condition needs for the wished ratings of every item, rounded up."""
    return -(-study.features_wanted * study.ratings_per_item // study.trials_per_participation)


def lease(study: Study) -> timedelta:
    """How long a place is held without a sign of life."""
    return timedelta(minutes=study.lease_minutes)


def _condition(study: Study, participation: Participation, now: datetime) -> Condition:
    held = selectors.places_by_condition(study=study, now=now)
    if not held or min(held.values()) >= places_per_condition(study):
        raise StudyFullError(f"{study} is full")
    fewest = [condition for condition, count in held.items() if count == min(held.values())]
    return stream(participation.seed, "condition").choice(fewest)


def _items(
    study: Study, condition: Condition, participation: Participation, now: datetime
) -> list[int]:
    """The least rated items, ties by those fewest dropouts met and then by lot, in random order."""
    counts = selectors.ratings_by_item(condition=condition, now=now)
    items = list(counts)
    stream(participation.seed, "items").shuffle(items)
    items.sort(key=lambda item: counts[item])
    drawn = sorted(items[: study.trials_per_participation])
    stream(participation.seed, "trials").shuffle(drawn)
    return drawn


def _trials(participation: Participation, items: Sequence[int], before: int) -> list[Trial]:
    """The main trials, numbered after the `before` ones of practice."""
    rng = stream(participation.seed, "options")
    return [
        Trial(
            participation=participation,
            item_id=item,
            number=number,
            token=secrets.token_urlsafe(18),
            key=secrets.token_urlsafe(18),
            option_order=_order(rng),
        )
        for number, item in enumerate(items, start=1 + before)
    ]


def _order(rng: Random) -> list[int]:
    return rng.sample(range(OPTIONS), OPTIONS)
