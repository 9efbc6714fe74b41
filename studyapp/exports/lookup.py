"""Finds a participation by its pseudonym in an export, which requires the pseudonym key."""

from __future__ import annotations

from studyapp.exports.cells import pseudonym
from studyapp.models import Participation


def participation_named(name: str) -> Participation | None:
    """Return the participation with that pseudonym, with its study; pages show another name of it.

    The pseudonym is a keyed hash, so it is computed for every participation until one matches.
    """
    if shown := Participation.objects.select_related("study").filter(identifier=name).first():
        return shown
    identifiers = Participation.objects.order_by().values_list("identifier", flat=True)
    found = next((one for one in identifiers.iterator() if pseudonym(one) == name), None)
    return Participation.objects.select_related("study").filter(identifier=found).first()
