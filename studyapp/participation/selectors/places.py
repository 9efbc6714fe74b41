"""Reads for assignment: what a study offers, who holds a place, how many ratings items have."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from django.db.models import Count, Q, QuerySet

from studyapp.models import Participation, Study, Tally, Trial
from studyapp.studies.selectors.studies import main_items

GRACE = timedelta(seconds=30)
"""How long after its lease has ended a place is not given away: an answer that was checked before
the end may take that long to be committed."""


def keys_of_items(study: Study, identifiers: Collection[str]) -> dict[str, tuple[int, int | None]]:
    """Identifier → (primary key of the item, primary key of its feature)."""
    items = study.items.filter(identifier__in=identifiers).order_by()
    rows = items.values_list("identifier", "pk", "feature_id")
    return {identifier: (pk, feature) for identifier, pk, feature in rows}


def holds_place(now: datetime, prefix: str = "") -> Q:
    """Participations that count against the quota: complete, or active under a lease."""
    active = Q(
        **{
            f"{prefix}status": Participation.Status.ACTIVE,
            f"{prefix}lease_expires_at__gt": now - GRACE,
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
    others = not_tallied(study, simulated=simulated).filter(holds_place(now))
    counts = others.values("condition__method").annotate(held=Count("pk"))
    held = dict(counts.values_list("condition__method", "held"))
    methods = study.conditions.filter(off_at=None).order_by("method")
    return {
        method: tally.by_method.get(method, 0) + held.get(method, 0)
        for method in methods.values_list("method", flat=True)
    }


def ratings_by_item(
    *, study: Study, now: datetime, simulated: bool = False, tally: Tally | None = None
) -> Mapping[str, tuple[int, int]]:
    """Main item → (its main trials that hold a place, its main trials that lost theirs)."""
    tally = tally or tally_of(study, simulated=simulated)
    others = ratings_of(not_tallied(study, simulated=simulated), now)
    found = {item: (held, lost) for item, held, lost in others}
    items = main_items(study).order_by("identifier").values_list("identifier", flat=True)
    return {item: _sum(found.get(item, (0, 0)), tally.ratings.get(item, (0, 0))) for item in items}


def _sum(ones: Sequence[int], others: Sequence[int]) -> tuple[int, int]:
    return ones[0] + others[0], ones[1] + others[1]


def tally_of(study: Study, *, simulated: bool) -> Tally:
    """What was added up; not saved yet if nothing was.

    It is read before what is not tallied: someone who is added in between is then missing for a
    moment, which nothing decides on, instead of counted twice.
    """
    known = study.tallies.filter(simulated=simulated).first()
    return known or Tally(study=study, simulated=simulated)


def not_tallied(study: Study, *, simulated: bool) -> QuerySet[Participation]:
    """The participations that were given a place and are not part of the tally."""
    placed = study.participations.filter(tallied=False, assigned_at__isnull=False)
    return placed.filter(simulated=simulated).order_by()


def ratings_of(
    participations: QuerySet[Participation], now: datetime
) -> Iterator[tuple[str, int, int]]:
    """Each item, its main trials in those that hold a place, and in those that lost theirs."""
    trials = Trial.objects.filter(
        kind=Trial.Kind.MAIN, participation__in=participations.values("pk")
    )
    held = Count("pk", filter=holds_place(now, "participation__"))
    counts = trials.values("item__identifier").annotate(held=held, drawn=Count("pk")).order_by()
    for item, n_held, n_drawn in counts.values_list("item__identifier", "held", "drawn"):
        yield item, n_held, n_drawn - n_held
