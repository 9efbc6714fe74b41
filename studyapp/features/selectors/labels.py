"""The labels of features: as lines of the browser's rows, and as the tables of a feature's page.

Methods come in alphabetical order, controls last. What a search found is marked, and a label
further down a method's list is added to the row if the first ones lack a word of the search.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from studyapp.core.text import fold
from studyapp.features.selectors.columns import NOTE, Cell, Column, cells_of
from studyapp.models import Clip, Exemplar, Feature, FeatureView, LabelCandidate
from studyapp.models.runs import is_control

MAX_WORDS = 6


@dataclass(frozen=True)
class Line:
    """One label in a row."""

    method: str
    rank: int
    parts: tuple[tuple[str, bool], ...]
    """The text in pieces, and whether each is marked."""

    @property
    def is_control(self) -> bool:
        """Whether a control gave it."""
        return is_control(self.method)


@dataclass(frozen=True)
class Row:
    """A feature as a row of a list."""

    feature: Feature
    lines: tuple[Line, ...]
    clip: Clip | None
    """Of the strongest exemplar."""
    cells: list[Cell]


@dataclass
class MethodLabels:
    """One method's labels of a feature, best first, failures included."""

    method: str
    labels: list[LabelCandidate] = field(default_factory=list)

    @property
    def is_control(self) -> bool:
        """Whether it is a control."""
        return is_control(self.method)


@dataclass(frozen=True)
class SimilarFeature:
    """A feature that is similar to another one by the cosine of their decoder directions."""

    identifier: str
    cosine: float | None
    """None until the view exists."""
    names: list[str]
    feature: Feature | None


def search_words(text: str) -> list[str]:
    """Return the folded words of a search."""
    return fold(text).split()[:MAX_WORDS]


def rows(
    features: Sequence[Feature], columns: Sequence[Column], words: Sequence[str] = ()
) -> list[Row]:
    """Return the rows of a page with two queries, however many features there are."""
    found = LabelCandidate.objects.filter(feature__in=features, status=LabelCandidate.Status.OK)
    if not words:
        found = found.filter(rank=1)
    labels: dict[int, list[LabelCandidate]] = defaultdict(list)
    for label in found.order_by("rank").only("feature_id", "method", "rank", "text"):
        labels[label.feature_id].append(label)
    exemplars = Exemplar.objects.filter(feature__in=features, rank=1).select_related("clip")
    clips = {exemplar.feature_id: exemplar.clip for exemplar in exemplars.order_by()}
    return [
        Row(one, _lines(labels[one.pk], words), clips.get(one.pk), cells_of(columns, one))
        for one in features
    ]


def with_note(row: Row, notes: Mapping[str, str]) -> Row:
    """The row with the list's note about its feature as its last cell."""
    return replace(row, cells=[*row.cells, Cell(NOTE, notes.get(row.feature.identifier, ""))])


def marked(text: str, words: Iterable[str]) -> tuple[tuple[str, bool], ...]:
    """Split a text where folded words occur in it: pieces, and whether each is such a word."""
    # Folding can lengthen a letter: `places` leads back from the folded text to the given one.
    folded = [letter.casefold() for letter in text]
    places = [at for at, letters in enumerate(folded) for _ in letters]
    whole = "".join(folded)
    hits = {
        at
        for word in words
        for found in re.finditer(f"(?={re.escape(word)})", whole)
        for at in places[found.start() : found.start() + len(word)]
    }
    parts: list[tuple[str, bool]] = []
    for at, letter in enumerate(text):
        if parts and parts[-1][1] == (at in hits):
            letter = parts.pop()[0] + letter
        parts.append((letter, at in hits))
    return tuple(parts)


def by_method(feature: Feature) -> list[MethodLabels]:
    """Return the feature's labels by method."""
    found: dict[str, MethodLabels] = {}
    for label in feature.labels.order_by("rank"):
        found.setdefault(label.method, MethodLabels(label.method)).labels.append(label)
    return [found[method] for method in sorted(found, key=_place)]


def headline(feature: Feature, best: Mapping[str, str]) -> str:
    """Return the label that stands for the feature: of the best-scored method, else of the first.

    `best` is method → its first label. Empty if only controls labelled it.
    """
    own = [method for method in sorted(best) if not is_control(method)]
    return best.get(feature.score_method) or next((best[method] for method in own), "")


def best_of(found: Sequence[MethodLabels]) -> dict[str, str]:
    """Method → its best successful label."""
    firsts = [(one.method, one.labels[0]) for one in found if one.labels]
    return {
        method: label.text
        for method, label in firsts
        if label.rank == 1 and label.status == LabelCandidate.Status.OK
    }


def with_cells(found: Sequence[MethodLabels], scorers: Sequence[str]) -> None:
    """Set `cells` on each label: scorers and its scores by them, in their order."""
    for label in (label for one in found for label in one.labels):
        label.cells = [(name, label.scores.get(name)) for name in scorers]  # type: ignore[attr-defined] # for the template only


def scorers(found: Sequence[MethodLabels]) -> list[str]:
    """Return the scorers that graded any of these labels."""
    return sorted({name for one in found for label in one.labels for name in label.scores})


def neighbours(
    feature: Feature, view: FeatureView | None, *, limit: int = 8
) -> list[SimilarFeature]:
    """Return the most similar features by decoder cosine, with their best labels: two queries."""
    cosines = dict(view.facts["neighbours"]) if view else {}
    nearest = feature.neighbours[:limit]
    near = known(feature.run_id, nearest)
    missing: tuple[None, list[str]] = (None, [])
    return [
        SimilarFeature(
            name, cosines.get(name), near.get(name, missing)[1], near.get(name, missing)[0]
        )
        for name in nearest
    ]


def known(run_pk: int, identifiers: Sequence[str]) -> dict[str, tuple[Feature, list[str]]]:
    """Identifier → the run's feature and its best labels, where there is one: two queries."""
    found = list(Feature.objects.filter(run=run_pk, identifier__in=identifiers))
    names = _own_names([one.pk for one in found])
    return {one.identifier: (one, sorted(names[one.pk])) for one in found}


def _lines(labels: Sequence[LabelCandidate], words: Sequence[str]) -> tuple[Line, ...]:
    """The best label of each method, and for each word that these lack the best that has it."""
    shown = [label for label in labels if label.rank == 1]
    own = [label for label in labels if not is_control(label.method)]
    for word in words:
        if not any(word in fold(label.text) for label in shown if not is_control(label.method)):
            shown += [label for label in own if word in fold(label.text)][:1]
    shown.sort(key=lambda label: (_place(label.method), label.rank))
    return tuple(
        Line(one.method, one.rank, marked(one.text, () if is_control(one.method) else words))
        for one in dict.fromkeys(shown)
    )


def _place(method: str) -> tuple[bool, str]:
    return is_control(method), method


def _own_names(features: Sequence[int]) -> dict[int, set[str]]:
    """Feature key → the best labels that methods, without controls, gave it."""
    found: dict[int, set[str]] = defaultdict(set)
    query = LabelCandidate.objects.filter(
        feature__in=features, rank=1, status=LabelCandidate.Status.OK
    )
    # The model's default order would needlessly join and sort by run and feature.
    for pk, method, text in query.order_by().values_list("feature_id", "method", "text"):
        if not is_control(method):
            found[pk].add(text)
    return found
