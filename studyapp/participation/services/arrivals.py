"""How many passages may begin from one address: one visitor must not take every place.

Addresses are kept as keyed hashes, for a day, whatever becomes of the participation: who withdrew
each passage could begin any number. Personal links and a laboratory's machines are not limited,
since somebody handed those out; nor are people whose submission the recruiting service knows.
"""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings

from studyapp.core import clock
from studyapp.core.errors import CrowdedError
from studyapp.core.keys import keyed_hash
from studyapp.models import EntryToken, Participation, Study
from studyapp.participation.selectors import arrivals as selectors

SALT = "earwitness.address"
REMEMBERED = timedelta(days=1)
"""How long an address is kept, and so the time over which its passages are counted. Also how long
somebody who only followed the link is waited for."""
AT_ONCE = 1000
"""Rows that one sweep deletes at the most."""
HANDED_OUT = (EntryToken.Kind.SINGLE, EntryToken.Kind.KIOSK)


def address_key(address: str) -> str:
    """Keyed hash of an address, hexadecimal; empty where there is none."""
    return keyed_hash(SALT, address) if address else ""


def check_begun(*, study: Study, key: str, entry: EntryToken | None, submission: str) -> None:
    """Raise `CrowdedError` if as many have begun from the address today as may.

    `entry` is the token that the visitor has, `submission` what the recruiting service says.
    """
    if _is_limited(key, entry, submission):
        _check(selectors.begun(study=study, key=key, since=clock.now() - REMEMBERED))


def check_placed(*, participation: Participation) -> None:
    """The same of those that were given places; under the study's lock, so that none slips by."""
    one = participation
    if not one.simulated and _is_limited(one.address_key, one.entry, one.submission):
        since = clock.now() - REMEMBERED
        _check(selectors.placed(participation=participation, since=since))


def sweep() -> None:
    """Forget addresses after a day, and whoever followed a link and never came to consent."""
    before = clock.now() - REMEMBERED
    selectors.remembered(before=before).update(address_key="")
    # An export of a closed study stays what it was, and reconciliation must find who came.
    idle = selectors.never_consented(before=before).filter(external_key="")
    old = idle.exclude(study__state=Study.State.CLOSED).values_list("pk", flat=True)[:AT_ONCE]
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
            f"{count} passages began from one address within a day, and the limit is {limit} "
            "(EARWITNESS_PASSAGES_PER_ADDRESS)"
        )
