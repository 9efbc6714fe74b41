"""From a participation's name in an export back to its row: for who holds the site's key."""

from __future__ import annotations

from studyapp.exports.cells import pseudonym
from studyapp.models import Participation


def participation_named(name: str) -> Participation | None:
    """The participation that exports call so, with its study.

    The name is a keyed hash, so that every participation's is made until one fits.
    """
    identifiers = Participation.objects.order_by().values_list("identifier", flat=True)
    found = next((one for one in identifiers.iterator() if pseudonym(one) == name), None)
    return Participation.objects.select_related("study").filter(identifier=found).first()
