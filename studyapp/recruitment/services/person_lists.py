"""Lists of people who cannot begin: identifiers of a recruiting service, kept as keyed hashes.

The same identifiers as in a study's link: Prolific's participant IDs, a SONA survey code.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator

from django.db import transaction

from studyapp.core.errors import BrokenLinkError, StudyError
from studyapp.models import ListedPerson, PersonList, Project
from studyapp.recruitment.services import identities

MOST_PEOPLE = 100_000
"""Of one call."""
HEADERS = frozenset({
    "participant", "participant id", "prolific id", "prolific pid", "person", "worker id",
    "workerid", "survey code", "identifier", "id", "pid",
})  # fmt: skip
"""What a first line says if it is no identifier but the name of the column."""


def identifiers_in(text: str) -> list[str]:
    """Return the identifiers in a text: one per line, or the first column of a CSV.

    A first line that only names the column (`HEADERS`) is skipped. Raises `StudyError` for a line
    that cannot be an identifier, and if there is none.
    """
    found = []
    for number, cell in _cells(text):
        if number == 1 and cell.casefold().replace("_", " ") in HEADERS:
            continue
        try:
            found.append(identities.identity(pid=cell, session="").pid)
        except BrokenLinkError as error:
            raise StudyError(f"line {number} is no identifier: {cell[:40]!r}") from error
    if not found:
        raise StudyError("there is no identifier: give one per line")
    if len(found) > MOST_PEOPLE:
        raise StudyError(f"there are {len(found)} identifiers: give at most {MOST_PEOPLE} at once")
    return found


def _cells(text: str) -> Iterator[tuple[int, str]]:
    """Number of the line, and its first cell if that has a text."""
    reader = csv.reader(text.splitlines())
    try:
        for row in reader:
            if row and row[0].strip():
                yield reader.line_num, row[0].strip()
    except csv.Error as error:
        raise StudyError(f"line {reader.line_num} cannot be read: {error}") from error


def add(
    *, project: Project | None, name: str, identifiers: Iterable[str]
) -> tuple[PersonList, int]:
    """Add people to the project's list of that name, which is made if there is none.

    Returns the list, and how many were not on it before.
    """
    name = " ".join(name.split())[:100]
    if not name:
        raise StudyError("the list needs a name")
    keys = {identities.Identity(pid, "").person for pid in identifiers}
    with transaction.atomic():
        row, _ = PersonList.objects.get_or_create(project=project, name=name)
        locked = PersonList.objects.select_for_update().get(pk=row.pk)
        known = set(locked.people.values_list("person_key", flat=True))
        fresh = sorted(keys - known)
        ListedPerson.objects.bulk_create(ListedPerson(list=row, person_key=key) for key in fresh)
    return row, len(fresh)
