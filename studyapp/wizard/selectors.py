"""Reads for the wizard: what runs offer, which drafts there are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from studyapp.models import (
    Feature,
    LabelCandidate,
    Project,
    Run,
    SteeredClip,
    Study,
    StudyDraft,
    StudySeries,
)
from studyapp.models.runs import is_control
from studyapp.studies.services.drawing import OWN_CANDIDATES


@dataclass(frozen=True)
class Sae:
    """An SAE of a run."""

    run: int
    name: str
    layer: int
    features: int
    """Those that were kept."""


@dataclass(frozen=True)
class Method:
    """A labelling method that a study could use."""

    name: str
    named: int
    """Features for which it has three labels or more."""

    @property
    def is_control(self) -> bool:
        """Whether it is a control, which labels without listening."""
        return is_control(self.name)


def by_id(pk: int) -> StudyDraft | None:
    """The draft with that key, with its study and project."""
    return StudyDraft.objects.select_related("study", "project").filter(pk=pk).first()


def unfinished(*, created_by: int, projects: QuerySet[Project]) -> QuerySet[StudyDraft]:
    """Drafts whose study is not made or not frozen yet, the last changed first.

    Those of the projects, and a person's own that have no project yet.
    """
    draft = Q(study=None) | Q(study__state=Study.State.DRAFT)
    whose = Q(project__in=projects) | Q(project=None, created_by=created_by)
    found = StudyDraft.objects.filter(draft & whose).select_related("study", "created_by")
    return found.order_by("-changed_at")


def of_study(study: Study) -> StudyDraft | None:
    """The draft from which the study was made, if there still is one."""
    return StudyDraft.objects.filter(study=study).order_by("-changed_at").first()


def usable(runs: QuerySet[Run]) -> QuerySet[Run]:
    """The runs that have features."""
    return runs.filter(Exists(Feature.objects.filter(run=OuterRef("pk"))))


def runs_named(numbers: Sequence[int]) -> list[Run]:
    """The runs with these keys, in that order, with their projects."""
    found = Run.objects.select_related("project").in_bulk(list(numbers))
    return [found[number] for number in numbers if number in found]


def saes_of(runs: Sequence[Run]) -> list[Sae]:
    """The SAEs of these runs, with the number of features that each kept."""
    rows = Feature.objects.filter(run__in=runs).order_by().values_list("run", "sae", "layer")
    counted = rows.annotate(n=Count("pk")).order_by("run", "layer", "sae")
    return [Sae(run, sae, layer, n) for run, sae, layer, n in counted]


def methods_of(runs: Sequence[Run], saes: Sequence[str] = ()) -> list[Method]:
    """The methods that all of these runs have, controls last."""
    third = LabelCandidate.objects.filter(
        feature__run__in=runs, rank=OWN_CANDIDATES, status=LabelCandidate.Status.OK
    )
    if saes:
        third = third.filter(feature__sae__in=saes)
    rows = third.order_by().values("method").annotate(
        n=Count("pk"), runs=Count("feature__run", distinct=True)
    )  # fmt: skip
    methods = [Method(row["method"], row["n"]) for row in rows if row["runs"] == len(runs)]
    return sorted(methods, key=lambda method: (method.is_control, method.name))


def steered_seeds(runs: Sequence[int]) -> int:
    """How many seeds the steered clips of these runs were generated with."""
    rows = SteeredClip.objects.filter(feature__run__in=runs).order_by()
    return rows.values("seed").distinct().count()


def free_slug(word: str = "listening") -> str:
    """`listening`, or the first `listening-N` that is free."""
    taken = {one.slug.lower() for one in StudySeries.objects.filter(slug__istartswith=word)}
    numbers = [int(found[1]) for slug in taken if (found := re.fullmatch(rf"{word}-(\d+)", slug))]
    if not numbers and word not in taken:
        return word
    return f"{word}-{max(numbers, default=1) + 1}"
