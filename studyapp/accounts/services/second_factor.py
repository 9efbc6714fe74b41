"""The second factor of a researcher's account: who has one, and that no code is accepted twice.

allauth keeps used codes in the cache, which is separate in each web process, so they are kept in
the authenticator's row as well: `spent` is a list of [digest of a code, time] of the last minutes.
"""

from __future__ import annotations

import time

from allauth.mfa.models import Authenticator
from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction
from django.utils.crypto import salted_hmac

SPENT_SECONDS = 120.0
"""Longer than any code is valid, which is 90 seconds."""


def has_second_factor(user: User | AnonymousUser) -> bool:
    """Whether the user needs a code to log in."""
    own = Authenticator.objects.filter(user_id=user.pk, type=Authenticator.Type.TOTP)
    return user.is_authenticated and own.exists()


@transaction.atomic
def spend(authenticator: Authenticator, code: str) -> bool:
    """Record that a code is used. Return False if it had been used before.

    allauth itself deletes used recovery codes.
    """
    if authenticator.type != Authenticator.Type.TOTP:
        return True
    row = Authenticator.objects.select_for_update().get(pk=authenticator.pk)
    now = time.time()
    spent = [one for one in row.data.get("spent", []) if now - one[1] < SPENT_SECONDS]
    digest = salted_hmac("earwitness.spent", f"{row.pk}:{''.join(code.split())}").hexdigest()
    if any(known == digest for known, _ in spent):
        return False
    row.data["spent"] = [*spent, [digest, now]]
    row.save(update_fields=["data"])
    authenticator.data = row.data
    return True
