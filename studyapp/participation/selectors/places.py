"""Reads for assignment: what a study offers, who holds a place, how many ratings items have."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, Q, QuerySet, When

from studyapp.core.database.prepared import prepared
from studyapp.models import Condition, Item, Participation, Study, Tally, Trial

MOST = 1_000
"""So many participations at most are looked up or marked at a time."""
GRACE = timedelta(seconds=30)
"""How long after its lease has ended a place is not given away: an answer that was checked before
the end may take that long to be committed."""


def keys_of_items(study: Study, identifiers: Collection[str]) -> dict[str, tuple[int, int | None]]:
    """Identifier → (primary key of the item, primary key of its feature)."""
    rows = _keys_of_items(study.pk, tuple(identifiers)) if identifiers else []
    return {identifier: (pk, feature) for identifier, pk, feature in rows}


@prepared
def _keys_of_items(study: int, identifiers: tuple[str, ...]) -> QuerySet[Item, Any]:
    items = Item.objects.filter(study=study, identifier__in=identifiers).order_by()
    return items.values_list("identifier", "pk", "feature_id")


def holds_place(now: datetime, prefix: str = "") -> Q:
    """Participations that count against the quota: complete, or active under a lease."""
    return _holds_place_if_leased_after(now - GRACE, prefix)


def _holds_place_if_leased_after(moment: datetime, prefix: str = "") -> Q:
    active = Q(
        **{
            f"{prefix}status": Participation.Status.ACTIVE,
            f"{prefix}lease_expires_at__gt": moment,
        }
    )
    return active | Q(**{f"{prefix}status": Participation.Status.COMPLETE})


@dataclass(frozen=True)
class Change:
    """A participation that the tally counts otherwise than it is now."""

    pk: int
    before: bool | None
    """Whether it is counted as holding a place; None if it is not counted."""
    now: bool
    method: str | None
    """Of its condition; None within participants."""


def places_held(*, study: Study, now: datetime, simulated: bool = False) -> int:
    """How many participations hold a place in the study.

    Here and below, people and simulated listeners are counted separately: neither takes a place
    from the other, and the draw is balanced within each.
    """
    tally = tally_of(study, simulated=simulated)
    correct_places(tally, changes(study, now, simulated=simulated))
    return int(tally.places)


def places_by_method(*, study: Study, now: datetime, simulated: bool = False) -> dict[str, int]:
    """Method that is on → how many participations in its condition hold a place."""
    tally = tally_of(study, simulated=simulated)
    correct_places(tally, changes(study, now, simulated=simulated))
    return by_method(study, tally)


def by_method(study: Study, tally: Tally) -> dict[str, int]:
    """Method that is on → places held in its condition, according to the tally."""
    return {method: tally.by_method.get(method, 0) for (method,) in _methods_on(study.pk)}


@prepared
def _methods_on(study: int) -> QuerySet[Condition, tuple[str]]:
    on = Condition.objects.filter(study=study, off_at=None)
    return on.order_by("method").values_list("method")


def ratings_by_item(study: Study, tally: Tally) -> Mapping[str, tuple[int, int]]:
    """Main item → (its main trials that hold a place, its main trials that lost theirs)."""
    known = tally.ratings
    return {item: (*known.get(item, (0, 0)),) for (item,) in _main_items(study.pk)}


@prepared
def _main_items(study: int) -> QuerySet[Item, tuple[str]]:
    items = Item.objects.filter(study=study, role=Item.Role.MAIN)
    return items.order_by("identifier").values_list("identifier")


def tally_of(study: Study, *, simulated: bool) -> Tally:
    """What was added up; not saved yet if nothing was.

    It is read before its changes: someone who is added in between is then missing for a moment,
    which nothing decides on, instead of counted twice.
    """
    known = next(iter(_tally(study.pk, simulated)), None)
    return known or Tally(study=study, simulated=simulated)


@prepared
def _tally(study: int, simulated: bool) -> QuerySet[Tally]:
    return Tally.objects.filter(study=study, simulated=simulated).order_by("pk")


def changes(study: Study, now: datetime, *, simulated: bool) -> list[Change]:
    """What the tally does not know yet: places that were lost or came back, and participations
    from before each was counted at once."""
    return [Change(*row) for row in _changes(study.pk, simulated, now - GRACE)]


@prepared
def _changes(study: int, simulated: bool, leased_after: datetime) -> QuerySet[Participation, Any]:
    holds = _holds_place_if_leased_after(leased_after)
    differs = Q(counted_as_held=None) | Q(~holds, counted_as_held=True)
    differs |= Q(holds, counted_as_held=False)
    found = _not_tallied(study, simulated=simulated).filter(differs)
    now = Case(When(holds, then=True), default=False)
    return found.values_list("pk", "counted_as_held", now, "condition__method")


def correct_places(tally: Tally, found: Sequence[Change]) -> None:
    """Change the tally's places, without saving it."""
    for one in found:
        by = int(one.now) - int(bool(one.before))
        tally.places += by
        if one.method is not None:
            tally.by_method[one.method] = tally.by_method.get(one.method, 0) + by


def correct_ratings(tally: Tally, found: Sequence[Change]) -> None:
    """Change the tally's ratings, without saving it."""
    by_pk = {one.pk: one for one in found}
    for pk, item in main_trials(by_pk) if by_pk else ():
        one = by_pk[pk]
        rate(tally, item, one.now, by=1)
        if one.before is not None:
            rate(tally, item, one.before, by=-1)


def rate(tally: Tally, item: str, is_held: bool, *, by: int) -> None:
    """Count one more main trial of an item, or (`by` -1) one less, without saving it."""
    held, lost = tally.ratings.get(item, (0, 0))
    tally.ratings[item] = [held + by, lost] if is_held else [held, lost + by]


def main_trials(participations: Collection[int]) -> QuerySet[Trial, tuple[int, str]]:
    """Participation and item of each of their main trials."""
    trials = Trial.objects.filter(kind=Trial.Kind.MAIN, participation__in=participations)
    return trials.order_by().values_list("participation", "item__identifier")


def finished_and_not_tallied(study: Study, *, simulated: bool) -> list[int]:
    """Participations that have ended and are still looked at for changes; `MOST` at a time."""
    return [pk for (pk,) in _finished(study.pk, simulated)]


@prepared
def _finished(study: int, simulated: bool) -> QuerySet[Participation, tuple[int]]:
    others = _not_tallied(study, simulated=simulated)
    return others.exclude(status=Participation.Status.ACTIVE).values_list("pk")[:MOST]


def _not_tallied(study: int, *, simulated: bool) -> QuerySet[Participation]:
    placed = Participation.objects.filter(study=study, tallied=False, assigned_at__isnull=False)
    return placed.filter(simulated=simulated).order_by()
