"""Queries for lists of features, paged by cursor, and for a feature's page.

Features are ordered by a column and then by primary key; a cursor is written `VALUE~KEY`. A page is
read along one index from its cursor, so the thousandth page costs as much as the first. Rows
without a value come last, ordered by key.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Avg, Count, Q, QuerySet

from studyapp.models import (
    Clip,
    Exemplar,
    Feature,
    FeatureView,
    Response,
    Run,
    Study,
)
from studyapp.studies.selectors import people

PAGE = 50
MAX_FETCHED = 1000


@dataclass(frozen=True)
class Order:
    """One way to sort features."""

    label: str
    column: str
    descending: bool
    nullable: bool = False
    needs: str = ""
    """The count in a run's facets without which no feature has a value."""


ORDERS: dict[str, Order] = {
    "score": Order("Best score first", "score", True, True, "scored"),
    "score-low": Order("Lowest score first", "score", False, True, "scored"),
    "strength": Order("Strongest first", "max_activation", True),
    "rate": Order("Rarest first", "rate", False),
    "rate-high": Order("Most frequent first", "rate", True),
    "agreement": Order("Methods agree first", "agreement", True, True, "compared"),
    "agreement-low": Order("Methods disagree first", "agreement", False, True, "compared"),
    "place": Order("As in the run", "pk", False),
}


class CursorError(ValueError):
    """The text is not a cursor; the message is the one line that is shown to users."""


@dataclass(frozen=True)
class Cursor:
    """A position in an order: the row after (or before) which a page begins."""

    value: float | None
    pk: int

    def __str__(self) -> str:
        return f"{'' if self.value is None else repr(self.value)}~{self.pk}"

    @classmethod
    def read(cls, text: str) -> Cursor:
        """Parse the text that `str` gives. Raises `CursorError`."""
        value, _, number = text.partition("~")
        try:
            found = cls(float(value) if value else None, int(number))
        except ValueError as error:
            raise CursorError(f"{text[:40]!r} is not a position in the list of features") from error
        if not 0 <= found.pk < 2**63 or found.value != found.value:
            raise CursorError(f"{text[:40]!r} is not a position in the list of features")
        return found


@dataclass(frozen=True)
class Page:
    """Features in their order, with the cursors before and after them ("" at the ends)."""

    features: list[Feature]
    before: str
    after: str


@dataclass(frozen=True)
class ListenerRatings:
    """Listeners' mean confidence in one method's labels of a feature, in a closed study."""

    study: Study
    method: str
    ratings: int
    mean_confidence: float


def orders_of(run: Run) -> dict[str, Order]:
    """The orders for which the run's features have values; the first is the default."""
    return {name: one for name, one in ORDERS.items() if not one.needs or run.facets.get(one.needs)}


def of_run(run: Run) -> QuerySet[Feature]:
    """Return the run's features, without columns that no list shows."""
    return Feature.objects.filter(run=run).defer("neighbours", "label_text")


def matching(run: Run, filtered: QuerySet[Feature]) -> tuple[QuerySet[Feature], int]:
    """Return the run's features that are in `filtered`, to be read in any order, and their number.

    If few features match, their keys are fetched first, in the order that is cheapest for the
    database: with an explicit order it would scan every row (25 ms instead of 5 ms). If many match,
    the index of the order yields a page after skipping only a few rows.
    """
    few = list(filtered.order_by().values_list("pk", flat=True)[: MAX_FETCHED + 1])
    if len(few) > MAX_FETCHED:
        return filtered, filtered.order_by().count()
    return of_run(run).filter(pk__in=few), len(few)


def page(
    found: QuerySet[Feature], *, order: Order, after: str = "", before: str = "", size: int = PAGE
) -> Page:
    """Return up to `size` features `after` or `before` a cursor, or from the beginning.

    Raises `CursorError` if the cursor cannot be parsed.
    """
    place = Cursor.read(before or after) if before or after else None
    rows = _take(found, order, place, size + 1, backwards=bool(before))
    more, rows = len(rows) > size, rows[:size]
    if before:
        rows.reverse()
    if not rows:
        return Page([], "", "")
    first, last = str(cursor_of(rows[0], order)), str(cursor_of(rows[-1], order))
    has_before = more if before else bool(after)
    has_after = bool(before) or more
    return Page(rows, first if has_before else "", last if has_after else "")


def number_before(found: QuerySet[Feature], feature: Feature, *, order: Order) -> int:
    """Return how many features come before this one in the list."""
    place, up = cursor_of(feature, order), not order.descending
    if not order.nullable:
        return found.filter(_beyond(order, place, up)).order_by().count()
    empty = f"{order.column}__isnull"
    if place.value is None:
        without = found.filter(_beyond(order, place, up), **{empty: True})
        return found.filter(**{empty: False}).order_by().count() + without.order_by().count()
    return found.filter(_beyond(order, place, up), **{empty: False}).order_by().count()


def previous_and_next(
    found: QuerySet[Feature], feature: Feature, *, order: Order
) -> tuple[str, str]:
    """Return the places, SAE/INDEX, of the previous and next feature in the list ("" at its
    ends)."""
    place = cursor_of(feature, order)
    one_before, one_after = (
        _take(found.only("pk", "sae", "index"), order, place, 1, backwards=backwards)
        for backwards in (True, False)
    )
    return (
        f"{one_before[0].sae}/{one_before[0].index}" if one_before else "",
        f"{one_after[0].sae}/{one_after[0].index}" if one_after else "",
    )


def cursor_of(feature: Feature, order: Order) -> Cursor:
    """Return the cursor of a feature in an order."""
    value = None if order.column == "pk" else getattr(feature, order.column)
    return Cursor(value, feature.pk)


def by_place(run_pk: int, sae: str, index: int) -> Feature | None:
    """Return one feature of a run, with its view if there is one."""
    found = Feature.objects.select_related("view", "run").filter(run=run_pk)
    # A feature of a pipeline's run is named by its place, which is looked up by an index; an item
    # of a table is named by the table, perhaps by another feature's place.
    named = found.filter(identifier=f"{sae}/{index}", sae=sae, index=index).first()
    return named or found.filter(sae=sae, index=index).first()


def view_of(feature: Feature) -> FeatureView | None:
    """Return the feature's view, if there is one."""
    return getattr(feature, "view", None)


def exemplars(feature: Feature) -> list[Exemplar]:
    """Return the feature's exemplars with their clips, strongest first."""
    return list(feature.exemplars.select_related("clip").order_by("rank"))


def listener_ratings(feature: Feature, studies: QuerySet[Study]) -> list[ListenerRatings]:
    """Return what people answered about the feature in those of `studies` that are closed.

    A study is left out if another version of it is under way with this feature, because its results
    would unblind that version.
    """
    under_way = Study.objects.filter(items__feature=feature, state__in=Study.UNDER_WAY)
    closed = studies.filter(state=Study.State.CLOSED).exclude(series__in=under_way.values("series"))
    answers = Response.objects.filter(
        people.counted_anywhere("trial__participation__"),
        trial__item__feature=feature,
        trial__kind="main",
        trial__participation__status="complete",
        trial__item__study__in=closed.values("pk"),
    )
    rows = list(
        answers.values("trial__item__study", "trial__item__condition__method")
        .annotate(n=Count("pk"), mean=Avg("confidence"))
        .order_by("trial__item__study", "trial__item__condition__method")
    )
    found = Study.objects.in_bulk({row["trial__item__study"] for row in rows}) if rows else {}
    return [
        ListenerRatings(
            found[row["trial__item__study"]],
            row["trial__item__condition__method"],
            row["n"],
            row["mean"],
        )
        for row in rows
    ]


def clip_of(run_pk: int, sha256: str) -> Clip | None:
    """Return a clip of a run by its hash."""
    return Clip.objects.select_related("run").filter(run=run_pk, sha256=sha256).first()


def _take(
    found: QuerySet[Feature], order: Order, place: Cursor | None, limit: int, *, backwards: bool
) -> list[Feature]:
    """Return up to `limit` rows beyond a cursor: with a value first, then without (or reversed)."""
    down = order.descending != backwards
    parts = [False, True] if order.nullable else [False]
    if backwards:
        parts.reverse()
    if place is not None and order.nullable:
        parts = parts[parts.index(place.value is None) :]
    rows: list[Feature] = []
    for number, empty in enumerate(parts):
        part = found.filter(**{f"{order.column}__isnull": empty}) if order.nullable else found
        if place is not None and number == 0:
            part = part.filter(_beyond(order, place, down))
        names = ["pk"] if empty or order.column == "pk" else [order.column, "pk"]
        ordered = part.order_by(*(f"-{name}" if down else name for name in names))
        rows += ordered[: limit - len(rows)]
        if len(rows) == limit:
            break
    return rows


def _beyond(order: Order, place: Cursor, down: bool) -> Q:
    """Select rows further along the index; the first condition lets the database use the index."""
    tie = Q(**{"pk__lt" if down else "pk__gt": place.pk})
    if place.value is None:
        return tie
    edge = Q(**{f"{order.column}__{'lte' if down else 'gte'}": place.value})
    past = Q(**{f"{order.column}__{'lt' if down else 'gt'}": place.value})
    return edge & (past | tie)
