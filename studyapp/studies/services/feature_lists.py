"""Lists of features: added to from the browser, changed on their own page."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from studyapp.core.errors import StudyError
from studyapp.models import Feature, FeatureList, Run
from studyapp.studies.selectors import feature_lists as selectors

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MOST = 10_000
"""Members of a list; a study has no more features either."""
NAME_LENGTH = 100
NOTE_LENGTH = 500


def add(
    *, run: Run, name: str, features: Sequence[str], created_by: User | None
) -> tuple[FeatureList, int]:
    """Add features (identifiers) to the run's list of that name, which is made if there is none.

    Those that it has keep their place. Returns the list and how many are new. Raises `StudyError`
    for no name, no features, an unknown one, and too many.
    """
    name = _checked(name)
    _check_features(run, features)
    with transaction.atomic():
        Run.objects.select_for_update(no_key=True).get(pk=run.pk)
        row = selectors.named(run, name)
        if row is None:
            row = FeatureList.objects.create(run=run, name=name, created_by=created_by)
        new = [one for one in dict.fromkeys(features) if one not in set(row.members)]
        if len(row.members) + len(new) > MOST:
            raise StudyError(f"a list has at most {MOST} features; this would make it longer")
        row.members = [*row.members, *new]
        row.save(update_fields=["members", "changed_at"])
    return row, len(new)


def remove(*, row: FeatureList, features: Collection[str]) -> FeatureList:
    """Take features off the list; the others keep their order."""
    with transaction.atomic():
        row = FeatureList.objects.select_for_update().get(pk=row.pk)
        row.members = [one for one in row.members if one not in features]
        row.notes = {name: note for name, note in row.notes.items() if name in row.members}
        row.save(update_fields=["members", "notes", "changed_at"])
    return row


def annotate(*, row: FeatureList, features: Collection[str], note: str) -> FeatureList:
    """Write a note about members of the list; an empty one deletes theirs.

    Raises `StudyError` for no feature, and for a note that is too long.
    """
    note = " ".join(note.replace("\0", " ").split())
    if len(note) > NOTE_LENGTH:
        raise StudyError(f"a note has at most {NOTE_LENGTH} characters; this has {len(note)}")
    if not features:
        raise StudyError("no feature was chosen: tick those that the note is about")
    with transaction.atomic():
        row = FeatureList.objects.select_for_update().get(pk=row.pk)
        for name in set(features) & set(row.members):
            row.notes = {**row.notes, name: note}
        row.notes = {name: text for name, text in row.notes.items() if text}
        row.save(update_fields=["notes", "changed_at"])
    return row


def rename(*, row: FeatureList, name: str) -> FeatureList:
    """Give the list another name. Raises `StudyError` for none, and for that of another list."""
    row.name = _checked(name)
    try:
        with transaction.atomic():
            row.save(update_fields=["name", "changed_at"])
    except IntegrityError as error:
        raise StudyError(f"the run has another list named {row.name!r}") from error
    return row


def delete(row: FeatureList) -> None:
    """Delete the list; studies that were made of it keep their features."""
    row.delete()


def _checked(name: str) -> str:
    name = " ".join(name.split())
    if not 1 <= len(name) <= NAME_LENGTH:
        raise StudyError(f"a list needs a name of up to {NAME_LENGTH} characters")
    return name


def _check_features(run: Run, features: Sequence[str]) -> None:
    if not features:
        raise StudyError("no feature was chosen: tick some, or give a number")
    if len(features) > MOST:
        raise StudyError(f"{len(features)} features are too many: a list has at most {MOST}")
    found = Feature.objects.filter(run=run, identifier__in=features)
    unknown = set(features) - set(found.values_list("identifier", flat=True))
    if unknown:
        raise StudyError(f"{run} has no feature {min(unknown)[:100]}")
