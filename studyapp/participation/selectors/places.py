"""Reads for assignment: what a study offers, who holds a place, how many ratings items have."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet

from studyapp.core.database.prepared import prepared
from studyapp.models import Condition, Item, Participation, Study, Tally, Trial

MOST = 1_000
"""So many finished participations at most are added to the tally at a time, since others wait
meanwhile: a site from before there were tallies may have more, which the next consents add."""
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


def places_held(*, study: Study, now: datetime, simulated: bool = False) -> int:
    """How many participations hold a place in the study.

    Here and below, people and simulated listeners are counted separately: neither takes a place
    from the other, and the draw is balanced within each.
    """
    tally = tally_of(study, simulated=simulated)
    others = not_tallied(study, simulated=simulated)
    return tally.places + others.filter(holds_place(now)).count()


def places_by_method(
    *, study: Study, now: datetime, simulated: bool = False, tally: Tally | None = None
) -> dict[str, int]:
    """Method that is on → how many participations in its condition hold a place."""
    tally = tally or tally_of(study, simulated=simulated)
    held: dict[str, int] = dict(_held_by_method(study.pk, simulated, now - GRACE))
    return {
        method: tally.by_method.get(method, 0) + held.get(method, 0)
        for (method,) in _methods_on(study.pk)
    }


@prepared
def _held_by_method(
    study: int, simulated: bool, leased_after: datetime
) -> QuerySet[Participation, Any]:
    others = _not_tallied(study, simulated=simulated)
    held = others.filter(_holds_place_if_leased_after(leased_after))
    counts = held.values("condition__method").annotate(held=Count("pk"))
    return counts.values_list("condition__method", "held")


@prepared
def _methods_on(study: int) -> QuerySet[Condition, tuple[str]]:
    on = Condition.objects.filter(study=study, off_at=None)
    return on.order_by("method").values_list("method")


def ratings_by_item(
    *, study: Study, now: datetime, simulated: bool = False, tally: Tally | None = None
) -> Mapping[str, tuple[int, int]]:
    """Main item → (its main trials that hold a place, its main trials that lost theirs)."""
    tally = tally or tally_of(study, simulated=simulated)
    rows = _ratings(study.pk, simulated, now - GRACE)
    found = {item: (held, drawn - held) for item, held, drawn in rows}
    return {
        item: _sum(found.get(item, (0, 0)), tally.ratings.get(item, (0, 0)))
        for (item,) in _main_items(study.pk)
    }


@prepared
def _ratings(study: int, simulated: bool, leased_after: datetime) -> QuerySet[Trial, Any]:
    return _counted_by_item(_not_tallied(study, simulated=simulated), leased_after)


@prepared
def _main_items(study: int) -> QuerySet[Item, tuple[str]]:
    items = Item.objects.filter(study=study, role=Item.Role.MAIN)
    return items.order_by("identifier").values_list("identifier")


def _sum(ones: Sequence[int], others: Sequence[int]) -> tuple[int, int]:
    return ones[0] + others[0], ones[1] + others[1]


def tally_of(study: Study, *, simulated: bool) -> Tally:
    """What was added up; not saved yet if nothing was.

    It is read before what is not tallied: someone who is added in between is then missing for a
    moment, which nothing decides on, instead of counted twice.
    """
    known = next(iter(_tally(study.pk, simulated)), None)
    return known or Tally(study=study, simulated=simulated)


@prepared
def _tally(study: int, simulated: bool) -> QuerySet[Tally]:
    return Tally.objects.filter(study=study, simulated=simulated).order_by("pk")


def not_tallied(study: Study, *, simulated: bool) -> QuerySet[Participation]:
    """The participations that were given a place and are not part of the tally."""
    return _not_tallied(study.pk, simulated=simulated)


def finished_and_not_tallied(study: Study, *, simulated: bool) -> list[int]:
    """Their primary keys, at most `MOST` at a time."""
    return [pk for (pk,) in _finished(study.pk, simulated)]


@prepared
def _finished(study: int, simulated: bool) -> QuerySet[Participation, tuple[int]]:
    others = _not_tallied(study, simulated=simulated)
    return others.exclude(status=Participation.Status.ACTIVE).values_list("pk")[:MOST]


def _not_tallied(study: int, *, simulated: bool) -> QuerySet[Participation]:
    placed = Participation.objects.filter(study=study, tallied=False, assigned_at__isnull=False)
    return placed.filter(simulated=simulated).order_by()


def ratings_of(
    participations: QuerySet[Participation], now: datetime
) -> Iterator[tuple[str, int, int]]:
    """Each item, its main trials in those that hold a place, and in those that lost theirs."""
    for item, n_held, n_drawn in _counted_by_item(participations, now - GRACE):
        yield item, n_held, n_drawn - n_held


def _counted_by_item(
    participations: QuerySet[Participation], leased_after: datetime
) -> QuerySet[Trial, Any]:
    trials = Trial.objects.filter(
        kind=Trial.Kind.MAIN, participation__in=participations.values("pk")
    )
    is_held = _holds_place_if_leased_after(leased_after, "participation__")
    counts = trials.values("item__identifier").annotate(
        held=Count("pk", filter=is_held), drawn=Count("pk")
    )
    return counts.order_by().values_list("item__identifier", "held", "drawn")
