"""Gives participants their places, and stores what `allocation.draw` drew for them.

Places are counted under a lock on the study's row, so that simultaneous arrivals queue up and no
place is given twice. Code that locks both rows locks the study before the participation. The lock
does not cover the study's key (`no_key`), so new participations, which refer to it, need not wait.

A place is leased (`leases`): it is held while the lease runs, and a participant who does not come
back may lose it to the next arrival. That is not final: a later visit gets a place again if one is
free, so even a clock that jumped ahead takes nothing away for good. The state that the draw was
based on is stored beside the seed, so that `replay` can repeat the draw and compare.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from studyapp.core import clock
from studyapp.core.database.prepared import insert, prepared
from studyapp.core.errors import (
    ParticipationError,
    PlaceLostError,
    StudyError,
    StudyFullError,
    StudyUnavailableError,
)
from studyapp.models import Condition, Participation, Study, Trial
from studyapp.participation.selectors import places as selectors
from studyapp.participation.services import address_limit, leases, practice, tallies
from studyapp.studies.selectors.studies import offered_items
from studyapp.studies.services import allocation, frames
from studyapp.studies.services.allocation import Allocation, Counts, Frame

PLACED = [
    "condition", "algorithm", "draw", "assigned_at", "lease_expires_at", "counted_as_held",
]  # fmt: skip
"""What is saved of a participation that is given its place."""


def assign(*, participation: Participation) -> Participation:
    """Give the participation its condition, trials and place. A second call changes nothing.

    Raises `ParticipationError` if it has ended, `StudyUnavailableError` unless the study is open,
    `StudyFullError` when no place is left, `CrowdedError` when too many came from one address.
    """
    with transaction.atomic():
        study = locked_study(participation)
        _reload_locked(participation, study)
        if participation.status != Participation.Status.ACTIVE:
            raise ParticipationError(f"{participation} is {participation.status}")
        if participation.assigned_at is not None:
            return participation
        if study.state != Study.State.OPEN:
            raise StudyUnavailableError(f"{study} is {study.state}")
        now = clock.now()
        simulated = participation.simulated
        uncounted = tallies.bring_up_to_date(study, now, simulated=simulated)
        state = _state(study, uncounted, simulated=simulated)
        if not _room_in(study, now, state.held, simulated=simulated):
            raise StudyFullError(f"{study} is full")
        address_limit.check_placed(participation=participation)
        fixed = bool(study.design_hash)  # A preview's copy is not.
        frame = _frame_of_frozen(study.pk, study.design_hash) if fixed else frames.frame_of(study)
        # The state names the conditions that are on, so that a replay knows them.
        allocated = allocation.draw(frame.only(state.held), state, participation.seed)
        _write(participation, study, allocated)
        participation.condition = _condition(study, allocated)
        participation.algorithm = allocation.ALGORITHM
        participation.draw = stored(state)
        participation.assigned_at = now
        participation.lease_expires_at = now + leases.first_length(study)
        main = [one.item for one in allocated.trials if one.kind == allocation.MAIN]
        tallies.add(participation, main)
        participation.save(update_fields=PLACED)
    return participation


def keep_place(*, participation: Participation) -> None:
    """Renew an expired lease if there is still room. Only the lease is written.

    Raises `PlaceLostError` when all places have been given to others.
    """
    if participation.lease_expires_at is None or not leases.has_expired(participation, clock.now()):
        return
    with transaction.atomic():
        study = locked_study(participation)
        _reload_locked(participation, study)
        now = clock.now()
        if participation.status != Participation.Status.ACTIVE or not leases.has_expired(
            participation, now
        ):
            return
        expired = participation.lease_expires_at
        still_held = expired is not None and expired > now - selectors.GRACE
        if not (still_held or _has_room(study, now, participation)):
            raise PlaceLostError(f"{participation} lost its place in {study}")
        leases.renew(participation=participation)


def extend_place(*, participation: Participation) -> int:
    """Restart the lease of somebody who is still there. Returns for how many seconds it lasts now.

    0 if there is no place to hold: it was given to others, or the participation has ended. Without
    progress nobody holds a place for longer than `leases.LONGEST_HOLD`.
    """
    try:
        keep_place(participation=participation)
    except PlaceLostError:
        return 0
    begun = participation.assigned_at
    if begun is not None and clock.now() - begun < leases.LONGEST_HOLD:
        leases.renew(participation=participation)
    return leases.seconds_left(participation)


def locked_study(participation: Participation) -> Study:
    """The participation's study (or preview), locked until the commit so that no place changes."""
    [study] = _locked_study(participation.study_id)
    return study  # type: ignore[no-any-return]


@prepared
def _locked_study(pk: int) -> QuerySet[Study]:
    return Study.with_previews.select_for_update(no_key=True).filter(pk=pk).order_by()


def _reload_locked(participation: Participation, study: Study) -> None:
    """Reload the row and lock it until the commit."""
    rows = Participation.objects.select_for_update(no_key=True)
    participation.refresh_from_db(from_queryset=rows)
    participation.study = study


def is_full(study: Study, *, simulated: bool = False) -> bool:
    """Whether all places of the study, for people or for simulated listeners, are held now."""
    now = clock.now()
    held = selectors.places_by_method(study=study, now=now, simulated=simulated)
    return not _room_in(study, now, held, simulated=simulated)


def state_of(study: Study, now: datetime, *, simulated: bool = False) -> Counts:
    """The places and ratings held at this moment, by people or by simulated listeners."""
    return _state(study, selectors.changes(study, now, simulated=simulated), simulated=simulated)


def _state(study: Study, changes: Sequence[selectors.Change], *, simulated: bool) -> Counts:
    """The tally's places and ratings, after changes that it does not know."""
    tally = selectors.tally_of(study, simulated=simulated)
    selectors.correct_places(tally, changes)
    selectors.correct_ratings(tally, changes)
    return Counts(
        held=selectors.by_method(study, tally), ratings=selectors.ratings_by_item(study, tally)
    )


def stored(state: Counts) -> dict[str, Any]:
    """The state as it is stored in a row: ratings as a list, ordered by item identifier."""
    ratings = [list(state.ratings[item]) for item in sorted(state.ratings)]
    return {"held": dict(state.held), "ratings": ratings}


def restored(study: Study, draw: dict[str, Any]) -> Counts:
    """The stored state. Raises `StudyError` if it does not belong to this study."""
    items = sorted(item.identifier for item in offered_items(study))
    if len(draw.get("ratings", ())) != len(items):
        raise StudyError("no state was stored with this draw: it was made by an older version")
    ratings = {
        item: (held, lost) for item, (held, lost) in zip(items, draw["ratings"], strict=True)
    }
    return Counts(held=dict(draw["held"]), ratings=ratings)


@lru_cache(maxsize=8)
def _frame_of_frozen(pk: int, design_hash: str) -> Frame:
    """What the study fixes. It is frozen, so each process needs to read it only once.

    The cache matters because arrivals wait for one another while it is read.
    """
    return frames.frame_of(Study.with_previews.get(pk=pk, design_hash=design_hash))


def _has_room(study: Study, now: datetime, participation: Participation) -> bool:
    """Whether a place is free for this participation, in its condition if it has one."""
    simulated = participation.simulated
    held = selectors.places_by_method(study=study, now=now, simulated=simulated)
    return _room_in(study, now, held, participation.condition, simulated=simulated)


def _room_in(
    study: Study,
    now: datetime,
    held: Mapping[str, int],
    condition: Condition | None = None,
    *,
    simulated: bool,
) -> bool:
    """Whether a place is free, given the number of places held in each condition."""
    if study.design == Study.Design.WITHIN:
        taken = selectors.places_held(study=study, now=now, simulated=simulated)
        return taken < frames.places(study)
    # Whoever began in a condition that was switched off since may finish: it admits nobody else.
    asked = [condition.method] if condition is not None else list(held)
    return any(held.get(method, 0) < frames.places_per_condition(study) for method in asked)


def _condition(study: Study, allocated: Allocation) -> Condition | None:
    if not allocated.method:
        return None
    [condition] = _condition_of(study.pk, allocated.method)
    return condition  # type: ignore[no-any-return]


@prepared
def _condition_of(study: int, method: str) -> QuerySet[Condition]:
    return Condition.objects.filter(study=study, method=method).order_by()


def _write(participation: Participation, study: Study, allocated: Allocation) -> None:
    """Save practice, then the allocated trials; repeats last, since they refer to other trials."""
    practised = practice.trials(participation)
    keys = selectors.keys_of_items(study, {one.item for one in allocated.trials})
    trials = [
        _trial(participation, number, keys[one.item], one)
        for number, one in enumerate(allocated.trials, start=1 + len(practised))
    ]
    repeats = [trial for trial in trials if trial.kind == Trial.Kind.REPEAT]
    if not repeats:
        insert(practised + trials)
        return
    first = [trial for trial in trials if trial.kind != Trial.Kind.REPEAT]
    Trial.objects.bulk_create(practised + first)
    _link_repeats(allocated, trials)
    Trial.objects.bulk_create(repeats)


def _trial(
    participation: Participation,
    number: int,
    keys: tuple[int, int | None],
    one: allocation.AllocatedTrial,
) -> Trial:
    item, feature = keys
    return Trial(
        participation=participation,
        item_id=item,
        feature_id=feature if one.kind == allocation.MAIN else None,
        kind=one.kind,
        number=number,
        token=secrets.token_urlsafe(18),
        key=secrets.token_urlsafe(18),
        option_order=list(one.order),
    )


def _link_repeats(allocated: Allocation, trials: Sequence[Trial]) -> None:
    for one, trial in zip(allocated.trials, trials, strict=True):
        if one.repeats is not None:
            trial.repeat_of = trials[one.repeats]
