"""What a researcher's home page lists: studies with their progress, each study once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import QuerySet

from studyapp.models import Study
from studyapp.studies.services import frames


@dataclass(frozen=True)
class ListedStudy:
    """A study and how far it is."""

    study: Study
    complete: int
    places: int | None
    """Participations that it needs; None for a study that may still be changed."""


def listed(studies: QuerySet[Study], *, apart: Collection[int]) -> list[ListedStudy]:
    """Return the studies (as `all_studies` gives them), without those listed `apart` as drafts."""
    shown = studies.exclude(pk__in=apart).prefetch_related("conditions")
    return [
        ListedStudy(
            study=study,
            complete=study.complete_count,  # type: ignore[attr-defined] # annotated
            places=None if study.state == Study.State.DRAFT else frames.places(study),
        )
        for study in shown
    ]
