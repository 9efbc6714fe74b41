"""Reads for the feature browser: pages by key, never by counting; and for a feature's page.

An order is a column and the row's number; a place in it is written `VALUE~NUMBER`. A page is read
along one index from that place, so the thousandth costs what the first does. Rows without a value
come after all others, in the order of their numbers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Avg, Count, Q, QuerySet

from studyapp.models import (
    Clip,
    Exemplar,
    Feature,
    FeatureView,
    LabelCandidate,
    Response,
    Run,
    Study,
)
from studyapp.studies.selectors import people

PAGE = 50
FEW = 1000


@dataclass(frozen=True)
class Order:
    """One way to sort features."""

    label: str
    column: str
    descending: bool
    nullable: bool = False


ORDERS: dict[str, Order] = {
    "score": Order("Best score first", "score", True, True),
    "score-low": Order("Lowest score first", "score", False, True),
    "strength": Order("Strongest first", "max_activation", True),
    "rate": Order("Rarest first", "rate", False),
    "rate-high": Order("Most frequent first", "rate", True),
    "agreement": Order("Methods agree first", "agreement", True, True),
    "agreement-low": Order("Methods disagree first", "agreement", False, True),
    "place": Order("As in the run", "pk", False),
}
DEFAULT_ORDER = "score"


class CursorError(ValueError):
    """A place that is none; the message is the one line that the user reads."""


@dataclass(frozen=True)
class Cursor:
    """A place in an order: the row after (or before) which a page begins."""

    value: float | None
    pk: int

    def __str__(self) -> str:
        return f"{'' if self.value is None else repr(self.value)}~{self.pk}"

    @classmethod
    def read(cls, text: str) -> Cursor:
        """The inverse of `str`. Raises `CursorError`."""
        value, _, number = text.partition("~")
        try:
            found = cls(float(value) if value else None, int(number))
        except ValueError as error:
            raise CursorError(f"{text[:40]!r} is no place in the list of features") from error
        if not 0 <= found.pk < 2**63 or found.value != found.value:
            raise CursorError(f"{text[:40]!r} is no place in the list of features")
        return found


@dataclass(frozen=True)
class Page:
    """Features in their order, and the places before and after them; empty where nothing is."""

    features: list[Feature]
    before: str
    after: str


@dataclass(frozen=True)
class Row:
    """A feature as a line of the browser."""

    feature: Feature
    names: dict[str, str]
    """Method → its best label."""
    clip: Clip | None
    """Of the strongest exemplar."""


@dataclass(frozen=True)
class Near:
    """A feature near another by the cosine of their decoder directions."""

    identifier: str
    cosine: float | None
    """None until the view has been made."""
    names: list[str]
    feature: Feature | None


@dataclass(frozen=True)
class Heard:
    """What listeners of a closed study said of a feature under one method."""

    study: Study
    method: str
    ratings: int
    mean_confidence: float


def of_run(run: Run) -> QuerySet[Feature]:
    """The run's features, without the columns that no list shows."""
    return Feature.objects.filter(run=run).defer("neighbours", "label_text")


def matching(run: Run, filtered: QuerySet[Feature]) -> QuerySet[Feature]:
    """The run's features that are in `filtered`, ready to be read in any order.

    Where few fit, they are found first, in whatever order the database finds them best (an order
    asked for would make it look through every row: 25 ms in place of 5); read along the list's
    index, every row that does not fit would be fetched from elsewhere. Where many fit, that index
    gives a page after few rows that do not.
    """
    few = list(filtered.order_by().values_list("pk", flat=True)[: FEW + 1])
    return filtered if len(few) > FEW else of_run(run).filter(pk__in=few)


def page(
    found: QuerySet[Feature], *, order: Order, after: str = "", before: str = "", size: int = PAGE
) -> Page:
    """The `size` features next `after` a place, or those just `before` one; else the first.

    Raises `CursorError` on a place that is none.
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


def beside(found: QuerySet[Feature], feature: Feature, *, order: Order) -> tuple[str, str]:
    """Identifiers of the features before and after this one in the list; empty at its ends."""
    place = cursor_of(feature, order)
    one_before, one_after = (
        _take(found.only("pk", "identifier"), order, place, 1, backwards=backwards)
        for backwards in (True, False)
    )
    return (
        one_before[0].identifier if one_before else "",
        one_after[0].identifier if one_after else "",
    )


def cursor_of(feature: Feature, order: Order) -> Cursor:
    """Where a feature stands in an order."""
    value = None if order.column == "pk" else getattr(feature, order.column)
    return Cursor(value, feature.pk)


def rows(features: Sequence[Feature]) -> list[Row]:
    """The lines of a page: two queries, however many features."""
    names = _best_names([feature.pk for feature in features])
    clips = {
        exemplar.feature_id: exemplar.clip
        for exemplar in Exemplar.objects.filter(feature__in=features, rank=1)
        .select_related("clip")
        .order_by()
    }
    return [Row(f, names.get(f.pk, {}), clips.get(f.pk)) for f in features]


def by_identifier(run_pk: int, identifier: str) -> Feature | None:
    """One feature of a run, with its view if that has been made."""
    found = Feature.objects.select_related("view", "run")
    return found.filter(run=run_pk, identifier=identifier).first()


def view_of(feature: Feature) -> FeatureView | None:
    """The feature's view, if it has been made."""
    return getattr(feature, "view", None)


def exemplars(feature: Feature) -> list[Exemplar]:
    """The feature's exemplars with their clips, strongest first."""
    return list(feature.exemplars.select_related("clip").order_by("rank"))


def labels(feature: Feature) -> dict[str, list[LabelCandidate]]:
    """Method → its labels, best first, failures among them."""
    found: dict[str, list[LabelCandidate]] = defaultdict(list)
    for label in feature.labels.order_by("method", "rank"):
        found[label.method].append(label)
    return dict(found)


def with_cells(found: dict[str, list[LabelCandidate]], names: Sequence[str]) -> None:
    """Give each label its `cells`: the scores by these scorers, in their order."""
    for label in (label for many in found.values() for label in many):
        label.cells = [label.scores.get(name) for name in names]  # type: ignore[attr-defined] # for the template alone


def scorers(found: dict[str, list[LabelCandidate]]) -> list[str]:
    """Scorers that graded any of these labels."""
    return sorted({name for many in found.values() for label in many for name in label.scores})


def neighbours(feature: Feature, view: FeatureView | None, *, limit: int = 8) -> list[Near]:
    """The features nearest by decoder cosine, with their best names: two queries."""
    cosines = dict(view.facts["neighbours"]) if view else {}
    nearest = feature.neighbours[:limit]
    known = {
        near.identifier: near
        for near in Feature.objects.filter(run=feature.run_id, identifier__in=nearest)
    }
    names = _best_names([near.pk for near in known.values()])
    return [
        Near(
            name,
            cosines.get(name),
            sorted(set(names.get(known[name].pk, {}).values())) if name in known else [],
            known.get(name),
        )
        for name in nearest
    ]


def heard(feature: Feature, studies: QuerySet[Study]) -> list[Heard]:
    """What people said of it, in those of `studies` that are closed.

    None of a study that has another version under way on this feature: it would unblind that one.
    """
    moving = Study.objects.filter(items__feature=feature, state__in=Study.UNDER_WAY)
    told = studies.filter(state=Study.State.CLOSED).exclude(series__in=moving.values("series"))
    answers = Response.objects.filter(
        people.counted_anywhere("trial__participation__"),
        trial__item__feature=feature,
        trial__kind="main",
        trial__participation__status="complete",
        trial__item__study__in=told.values("pk"),
    )
    rows = list(
        answers.values("trial__item__study", "trial__item__condition__method")
        .annotate(n=Count("pk"), mean=Avg("confidence"))
        .order_by("trial__item__study", "trial__item__condition__method")
    )
    found = Study.objects.in_bulk({row["trial__item__study"] for row in rows}) if rows else {}
    return [
        Heard(
            found[row["trial__item__study"]],
            row["trial__item__condition__method"],
            row["n"],
            row["mean"],
        )
        for row in rows
    ]


def clip_of(run_pk: int, sha256: str) -> Clip | None:
    """A clip of a run by its hash."""
    return Clip.objects.select_related("run").filter(run=run_pk, sha256=sha256).first()


def _take(
    found: QuerySet[Feature], order: Order, place: Cursor | None, limit: int, *, backwards: bool
) -> list[Feature]:
    """Up to `limit` rows beyond a place: those with a value, then those without (or turned)."""
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
    """Rows further along the index. The first condition is what the index is entered by."""
    tie = Q(**{"pk__lt" if down else "pk__gt": place.pk})
    if place.value is None:
        return tie
    edge = Q(**{f"{order.column}__{'lte' if down else 'gte'}": place.value})
    past = Q(**{f"{order.column}__{'lt' if down else 'gt'}": place.value})
    return edge & (past | tie)


def _best_names(features: Sequence[int]) -> dict[int, dict[str, str]]:
    """Feature number → method → its best label that is one."""
    found: dict[int, dict[str, str]] = defaultdict(dict)
    query = LabelCandidate.objects.filter(
        feature__in=features, rank=1, status=LabelCandidate.Status.OK
    )
    # The model's own order would join and sort by run and feature, for nothing.
    for pk, method, text in query.order_by().values_list("feature_id", "method", "text"):
        found[pk][method] = text
    return dict(found)
