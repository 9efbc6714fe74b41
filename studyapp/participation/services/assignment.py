"""Who gets a place, and the rows of what `plans.draw` drew for them.

Places are counted under a lock on the study's row, so that simultaneous arrivals queue up and no
place is given twice. Whoever locks both locks the study before the participation. The lock leaves
the study's key alone (`no_key`): a new participation refers to it and need not wait.

A place is leased (`leases`): it is held while the lease runs, and anyone who does not come back may
lose it to the next. That is no end: a later visit gets a place again while there is one, so that a
clock that jumped ahead takes nothing away for good. What the draw stood on is stored beside the
seed, so that `replay` can draw again and compare.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import transaction

from studyapp.core import clock
from studyapp.core.errors import (
    ParticipationError,
    PlaceLostError,
    StudyError,
    StudyFullError,
    StudyUnavailableError,
)
from studyapp.models import Condition, Participation, Study, Trial
from studyapp.participation.selectors import places as selectors
from studyapp.participation.services import arrivals, leases, practice
from studyapp.studies.selectors.studies import offered_items
from studyapp.studies.services import allocation, frames
from studyapp.studies.services.allocation import Frame, Plan, State


def assign(*, participation: Participation) -> Participation:
    """Give the participation its condition, trials and place. A second call changes nothing.

    Raises `ParticipationError` if it has ended, `StudyUnavailableError` unless the study is open,
    `StudyFullError` when no place is left, `CrowdedError` when too many came from one address.
    """
    with transaction.atomic():
        study = locked_study(participation)
        _reread(participation, study)
        if participation.status != Participation.Status.ACTIVE:
            raise ParticipationError(f"{participation} is {participation.status}")
        if participation.assigned_at is not None:
            return participation
        if study.state != Study.State.OPEN:
            raise StudyUnavailableError(f"{study} is {study.state}")
        now = clock.now()
        simulated = participation.simulated
        state = state_of(study, now, simulated=simulated)
        if not _room_in(study, now, state.held, simulated=simulated):
            raise StudyFullError(f"{study} is full")
        arrivals.check_placed(participation=participation)
        fixed = bool(study.design_hash)  # A preview's copy is not.
        frame = _frame_of_frozen(study.pk, study.design_hash) if fixed else frames.frame_of(study)
        plan = allocation.draw(frame, state, participation.seed)
        _write(participation, study, plan)
        participation.condition = _condition(study, plan)
        participation.algorithm = allocation.ALGORITHM
        participation.draw = stored(state)
        participation.assigned_at = now
        participation.lease_expires_at = now + leases.first_length(study)
        participation.save(
            update_fields=["condition", "algorithm", "draw", "assigned_at", "lease_expires_at"]
        )
    return participation


def keep_place(*, participation: Participation) -> None:
    """Renew a lease that ran out, while there is still room. Nothing but the lease is written.

    Raises `PlaceLostError` when others have the places now.
    """
    if participation.lease_expires_at is None or not leases.ran_out(participation, clock.now()):
        return
    with transaction.atomic():
        study = locked_study(participation)
        _reread(participation, study)
        now = clock.now()
        if participation.status != Participation.Status.ACTIVE or not leases.ran_out(
            participation, now
        ):
            return
        expired = participation.lease_expires_at
        still_held = expired is not None and expired > now - selectors.GRACE
        if not (still_held or _has_room(study, now, participation)):
            raise PlaceLostError(f"{participation} lost its place in {study}")
        leases.renew(participation=participation)


def locked_study(participation: Participation) -> Study:
    """The participation's study, a preview's too, locked to the commit: its places stand still."""
    return Study.everything.select_for_update(no_key=True).get(pk=participation.study_id)


def _reread(participation: Participation, study: Study) -> None:
    """The row as it is now, locked to the commit."""
    rows = Participation.objects.select_for_update(no_key=True)
    participation.refresh_from_db(from_queryset=rows)
    participation.study = study


def is_full(study: Study, *, simulated: bool = False) -> bool:
    """Whether every place of the study, for people or for simulated listeners, is held just now."""
    now = clock.now()
    held = selectors.places_by_method(study=study, now=now, simulated=simulated)
    return not _room_in(study, now, held, simulated=simulated)


def state_of(study: Study, now: datetime, *, simulated: bool = False) -> State:
    """What is held at this moment, by people or by simulated listeners."""
    return State(
        held=selectors.places_by_method(study=study, now=now, simulated=simulated),
        ratings=selectors.ratings_by_item(study=study, now=now, simulated=simulated),
    )


def stored(state: State) -> dict[str, Any]:
    """The state as a row keeps it: ratings as one list, in the order of the items' identifiers."""
    ratings = [list(state.ratings[item]) for item in sorted(state.ratings)]
    return {"held": dict(state.held), "ratings": ratings}


def restored(study: Study, draw: dict[str, Any]) -> State:
    """The state that was stored. Raises `StudyError` if it is not one of this study."""
    items = sorted(item.identifier for item in offered_items(study))
    if len(draw.get("ratings", ())) != len(items):
        raise StudyError("no state of the draw was stored: it was drawn before there was one")
    ratings = {
        item: (held, lost) for item, (held, lost) in zip(items, draw["ratings"], strict=True)
    }
    return State(held=dict(draw["held"]), ratings=ratings)


@lru_cache(maxsize=8)
def _frame_of_frozen(pk: int, design_hash: str) -> Frame:
    """What that study fixes, read once by each process: it is frozen, so nothing of it changes.

    Arrivals wait for one another while it is read.
    """
    return frames.frame_of(Study.everything.get(pk=pk, design_hash=design_hash))


def _has_room(study: Study, now: datetime, participation: Participation) -> bool:
    """Whether a place is free for this one, in its condition where it has one."""
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
    """Whether a place is free, where the places held in each condition were counted already."""
    if study.design == Study.Design.WITHIN:
        taken = selectors.places_held(study=study, now=now, simulated=simulated)
        return taken < frames.places(study)
    asked = [condition.method] if condition is not None else list(held)
    return any(held[method] < frames.places_per_condition(study) for method in asked)


def _condition(study: Study, plan: Plan) -> Condition | None:
    return study.conditions.get(method=plan.method) if plan.method else None


def _write(participation: Participation, study: Study, plan: Plan) -> None:
    """Practice, then the plan's rows; repeats after what they repeat, whose keys they need."""
    practised = practice.trials(participation)
    keys = selectors.keys_of_items(study, {one.item for one in plan.trials})
    trials = [
        _trial(participation, number, keys[one.item], one)
        for number, one in enumerate(plan.trials, start=1 + len(practised))
    ]
    first = [trial for trial in trials if trial.kind != Trial.Kind.REPEAT]
    Trial.objects.bulk_create(practised + first)
    _point_back(plan, trials)
    Trial.objects.bulk_create(trial for trial in trials if trial.kind == Trial.Kind.REPEAT)


def _trial(
    participation: Participation, number: int, keys: tuple[int, int | None], one: allocation.Planned
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


def _point_back(plan: Plan, trials: Sequence[Trial]) -> None:
    for one, trial in zip(plan.trials, trials, strict=True):
        if one.repeats is not None:
            trial.repeat_of = trials[one.repeats]
