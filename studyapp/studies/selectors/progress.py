"""How full the cells of a study's conditions are."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Q

from studyapp.models import Participation, Study, Trial
from studyapp.studies.selectors import people
from studyapp.studies.selectors.studies import main_items


@dataclass(frozen=True)
class Cells:
    """How many of the planned ratings the items of one condition have."""

    method: str
    items: int
    planned: int
    """Planned ratings over all items."""
    ratings: int
    """Main answers of complete participations, including those above an item's planned number."""
    full: int
    """Items that have all their planned ratings."""
    per_item: tuple[int, ...] = ()
    """Ratings of each item."""


def cells_of(study: Study) -> list[Cells]:
    """How full the cells of each condition are, from participations that count."""
    answered = Q(
        trials__kind=Trial.Kind.MAIN,
        trials__participation__status=Participation.Status.COMPLETE,
        trials__response__isnull=False,
    ) & people.counted(study, "trials__participation__")
    items = main_items(study).annotate(ratings=Count("trials", filter=answered))
    by_method: dict[str, list[int]] = {}
    for method, ratings in items.values_list("condition__method", "ratings"):
        by_method.setdefault(method, []).append(ratings)
    return [
        Cells(
            method=method,
            items=len(ratings),
            planned=len(ratings) * study.ratings_per_item,
            ratings=sum(ratings),
            full=sum(n >= study.ratings_per_item for n in ratings),
            per_item=tuple(ratings),
        )
        for method, ratings in sorted(by_method.items())
    ]


def joined(cells: Sequence[Cells]) -> Cells:
    """How full all of these are together; without a method."""
    return Cells(
        method="",
        items=sum(one.items for one in cells),
        planned=sum(one.planned for one in cells),
        ratings=sum(one.ratings for one in cells),
        full=sum(one.full for one in cells),
        per_item=tuple(n for one in cells for n in one.per_item),
    )
