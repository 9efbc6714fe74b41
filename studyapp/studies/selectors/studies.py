"""Reads for studies: by link or version, and the pool from which a study's features are drawn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Q, QuerySet

from studyapp.core.database.prepared import prepared
from studyapp.core.text import fold
from studyapp.models import (
    Clip,
    Exemplar,
    Feature,
    Item,
    LabelCandidate,
    Participation,
    Run,
    SteeredClip,
    Study,
    StudySeries,
)
from studyapp.models.studies import STIMULI
from studyapp.studies.selectors import people

TOP_EXEMPLARS = 10
"""A feature's clips are drawn from this many of its strongest exemplars."""


@dataclass(frozen=True)
class Candidate:
    """One method's text for one feature; rank 1 is the method's best."""

    text: str
    rank: int
    name: str = ""
    """Shared by near-synonyms in the run; empty if the run has none."""

    @property
    def key(self) -> str:
        """Equal for candidates that mean the same."""
        return fold(self.name or self.text)


SteeredKey = tuple[str, float, int]


@dataclass(frozen=True)
class PooledFeature:
    """A kept feature with everything that an item needs."""

    feature: Feature
    clips: tuple[Clip, ...]
    """Clips of the top exemplars, strongest first."""
    candidates: dict[str, tuple[Candidate, ...]] = field(default_factory=dict)
    """Method → its successful candidates, best first, one of each group of near-synonyms."""
    steered: dict[SteeredKey, SteeredClip] = field(default_factory=dict)
    """Intervention, dose and seed → clip; only for studies of pairs."""


def series_named(slug: str) -> StudySeries | None:
    """The series with that slug, ignoring case."""
    return StudySeries.objects.filter(slug__iexact=slug).first()


def by_link(slug: str) -> Study | None:
    """The study behind a participant's link: the open version, else the newest frozen one.

    A preview has its own slug, which nobody can guess.
    """
    versions: list[Study] = _by_link(slug)
    is_open = [study for study in versions if study.state == Study.State.OPEN]
    return next(iter(is_open or versions), None)


@prepared
def _by_link(slug: str) -> QuerySet[Study]:
    return Study.with_previews.filter(series__slug=slug).exclude(state=Study.State.DRAFT)


def all_studies() -> QuerySet[Study]:
    """Every study and version, with its number of complete participations."""
    complete = Q(participations__status=Participation.Status.COMPLETE)
    complete &= people.counted_anywhere("participations__")
    counted = Study.objects.annotate(complete_count=Count("participations", filter=complete))
    return counted.order_by("-created_at")


def every_study() -> QuerySet[Study]:
    """Every study and version, without counts."""
    return Study.objects.all()


def version_of(slug: str, version: int) -> Study | None:
    """One version of a study."""
    found = Study.objects.select_related("project", "series")
    return found.filter(slug=slug, version=version).first()


def newest(slug: str) -> Study | None:
    """The newest version of a study."""
    return Study.objects.filter(slug=slug).order_by("-version").first()


def methods_of(run: Run) -> list[str]:
    """Every method that labelled at least one feature of the run, in alphabetical order."""
    labels = LabelCandidate.objects.filter(feature__run=run, status=LabelCandidate.Status.OK)
    return sorted(labels.order_by().values_list("method", flat=True).distinct())


def saes_of(run: Run) -> list[str]:
    """Every SAE that kept a feature, in alphabetical order."""
    return sorted(run.features.order_by().values_list("sae", flat=True).distinct())


def pool(
    *, run: Run, methods: Sequence[str], saes: Sequence[str] = (), steered: bool = False
) -> list[PooledFeature]:
    """Every kept feature of the run with its clips and candidates, ordered by SAE and index.

    Only of these SAEs, if any are named; with the clips of the run's steering if asked for.
    """
    generated = _steered_by_feature(run) if steered else {}
    clips = _clips_by_feature(run)
    candidates = _candidates_by_feature(run, methods)
    features = Feature.objects.filter(run=run).select_related("run").order_by("sae", "index")
    if saes:
        features = features.filter(sae__in=saes)
    return [
        PooledFeature(
            feature, tuple(clips[feature.pk]), candidates[feature.pk], generated.get(feature.pk, {})
        )
        for feature in features
    ]


def pools(
    *,
    runs: Sequence[Run],
    methods: Sequence[str],
    saes: Sequence[str] = (),
    steered: bool = False,
) -> list[PooledFeature]:
    """The pools of several runs, one after the other."""
    return [
        one for run in runs for one in pool(run=run, methods=methods, saes=saes, steered=steered)
    ]


def main_items(study: Study) -> QuerySet[Item]:
    """The study's items without practice and catch: each has a feature and a condition."""
    return study.items.filter(role=Item.Role.MAIN)


def items_of(study: Study) -> list[Item]:
    """The study's items with feature, condition and stimuli, ordered by identifier."""
    related = ("condition", "feature", *STIMULI)
    return list(Item.objects.filter(study=study).select_related(*related).order_by("identifier"))


def _clips_by_feature(run: Run) -> dict[int, list[Clip]]:
    exemplars = Exemplar.objects.filter(feature__run=run, rank__lte=TOP_EXEMPLARS)
    clips: dict[int, list[Clip]] = defaultdict(list)
    for exemplar in exemplars.select_related("clip").order_by("feature_id", "rank"):
        if exemplar.clip not in clips[exemplar.feature_id]:
            clips[exemplar.feature_id].append(exemplar.clip)
    return clips


def _steered_by_feature(run: Run) -> dict[int, dict[SteeredKey, SteeredClip]]:
    found: dict[int, dict[SteeredKey, SteeredClip]] = defaultdict(dict)
    rows = SteeredClip.objects.filter(feature__run=run).select_related("clip__run", "plain__run")
    for row in rows:
        found[row.feature_id][row.intervention, row.strength, row.seed] = row
    return found


def _candidates_by_feature(
    run: Run, methods: Sequence[str]
) -> dict[int, dict[str, tuple[Candidate, ...]]]:
    labels = LabelCandidate.objects.filter(
        feature__run=run, method__in=methods, status=LabelCandidate.Status.OK
    ).exclude(text="")
    found: dict[int, dict[str, tuple[Candidate, ...]]] = defaultdict(dict)
    for label in labels.order_by("feature_id", "method", "rank"):
        known = found[label.feature_id].get(label.method, ())
        candidate = Candidate(" ".join(label.text.split()), label.rank, label.name)
        if candidate.key not in {other.key for other in known}:
            found[label.feature_id][label.method] = (*known, candidate)
    return found


@dataclass(frozen=True)
class OfferedItem:
    """A main item as the draw needs it."""

    identifier: str
    feature: str
    """Unique across runs."""
    method: str
    options: list[dict[str, Any]]
    target: int | None
    seed: int | None = None
    """Of a pair: what both of its sounds were generated with."""


def offered_items(study: Study) -> list[OfferedItem]:
    """The study's main items, ordered by identifier."""
    rows = main_items(study).order_by("identifier")
    names = (
        "identifier", "feature__run__identifier", "feature__identifier", "condition__method",
        "options", "target", "steering_seed",
    )  # fmt: skip
    return [
        OfferedItem(identifier, f"{run}/{feature}", *rest)
        for identifier, run, feature, *rest in rows.values_list(*names)
    ]


def most_alike(study: Study) -> int:
    """The largest number of features whose pairs have the same seed; at least 1."""
    counted = main_items(study).order_by().values("steering_seed")
    found = counted.annotate(n=Count("feature", distinct=True)).values_list("n", flat=True)
    return max(found, default=1)


def dosed(runs: Sequence[Run]) -> list[tuple[str, float]]:
    """The interventions and doses that every one of these runs has steered clips of."""
    rows = SteeredClip.objects.filter(feature__run__in=runs).order_by()
    each = rows.values("intervention", "strength").annotate(
        runs=Count("feature__run", distinct=True)
    )
    return sorted(
        (row["intervention"], row["strength"]) for row in each if row["runs"] == len(runs)
    )


def catch_items(study: Study) -> list[str]:
    """Identifiers of the study's catch items, in order."""
    found = study.items.filter(role=Item.Role.CATCH).order_by("identifier")
    return list(found.values_list("identifier", flat=True))
