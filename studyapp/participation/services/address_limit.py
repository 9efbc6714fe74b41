"""How many participations may begin from one address, so that one visitor cannot take every place.

Addresses are stored as keyed hashes for one day, even after a withdrawal: otherwise a visitor could
begin any number by withdrawing each time. Personal links and laboratory machines are not limited,
since someone handed those out; nor are people whose submission the recruiting service confirms.
"""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings

from studyapp.core import clock
from studyapp.core.errors import CrowdedError
from studyapp.core.keys import keyed_hash
from studyapp.models import EntryToken, Participation, Study
from studyapp.participation.selectors import address_limit as selectors

SALT = "earwitness.address"
KEPT_FOR = timedelta(days=1)
"""How long an address is stored, and so the period over which its participations are counted. Also
how long the row of someone who only followed the link is kept."""
MAX_DELETED = 1000
"""Maximum number of rows deleted in one sweep."""
HANDED_OUT = (EntryToken.Kind.SINGLE, EntryToken.Kind.KIOSK)


def address_key(address: str) -> str:
    """Keyed hash of an address, hexadecimal; empty if there is no address."""
    return keyed_hash(SALT, address) if address else ""


def check_begun(*, study: Study, key: str, entry: EntryToken | None, submission: str) -> None:
    """Raise `CrowdedError` if the address has reached its limit for today.

    `entry` is the visitor's token, `submission` what the recruiting service says of the person.
    """
    if _is_limited(key, entry, submission):
        _check(selectors.begun(study=study, key=key, since=clock.now() - KEPT_FOR))


def check_placed(*, participation: Participation) -> None:
    """The same for participations with a place, under the study's lock so that none slips by."""
    one = participation
    if not one.simulated and _is_limited(one.address_key, one.entry, one.submission):
        since = clock.now() - KEPT_FOR
        _check(selectors.placed(participation=participation, since=since))


def sweep() -> None:
    """Forget addresses after a day, and delete rows of visitors who never reached consent."""
    before = clock.now() - KEPT_FOR
    selectors.with_address(before=before).update(address_key="")
    # Exports of a closed study must not change, and reconciliation must find everyone who came.
    idle = selectors.never_consented(before=before).filter(external_key="")
    old = idle.exclude(study__state=Study.State.CLOSED).values_list("pk", flat=True)[:MAX_DELETED]
    Participation.objects.filter(
        pk__in=list(old), consented_at=None, status=Participation.Status.ACTIVE
    ).delete()


def _is_limited(key: str, entry: EntryToken | None, submission: str) -> bool:
    is_handed_out = entry is not None and entry.kind in HANDED_OUT
    is_known = submission == Participation.Submission.VERIFIED
    return bool(key and settings.PASSAGES_PER_ADDRESS) and not (is_handed_out or is_known)


def _check(count: int) -> None:
    limit = settings.PASSAGES_PER_ADDRESS
    if count >= limit:
        raise CrowdedError(
            f"{count} participations have begun from one address within a day; "
            f"the limit is {limit} (EARWITNESS_PASSAGES_PER_ADDRESS)"
        )
