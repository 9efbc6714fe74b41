"""Reads for assignment: what a study offers, who holds a place, how many ratings items have."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from django.db.models import Count, Q

from studyapp.models import Participation, Study, Trial
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
    return study.participations.filter(holds_place(now), simulated=simulated).count()


def places_by_method(*, study: Study, now: datetime, simulated: bool = False) -> dict[str, int]:
    """Method that is on → how many participations in its condition hold a place."""
    kind = Q(participations__simulated=simulated)
    held = Count("participations", filter=kind & holds_place(now, "participations__"))
    conditions = study.conditions.filter(off_at=None).annotate(held=held).order_by("method")
    return dict(conditions.values_list("method", "held"))


def ratings_by_item(
    *, study: Study, now: datetime, simulated: bool = False
) -> Mapping[str, tuple[int, int]]:
    """Main item → (its main trials that hold a place, its main trials that lost theirs)."""
    own = {"participation__study": study, "participation__simulated": simulated}
    counts = Trial.objects.filter(kind=Trial.Kind.MAIN, **own).values("item")
    held = Count("pk", filter=holds_place(now, "participation__"))
    counts = counts.annotate(held=held, drawn=Count("pk")).order_by()
    rows = counts.values_list("item__identifier", "held", "drawn")
    found = {item: (n_held, n_drawn - n_held) for item, n_held, n_drawn in rows}
    items = main_items(study).order_by("identifier").values_list("identifier", flat=True)
    return {item: found.get(item, (0, 0)) for item in items}
