"""The second factor of a researcher's account: who has one, and that no code passes twice.

allauth keeps spent codes in the cache, which each web process has for itself; the row has them for
all. What it keeps beside the secret is `spent`: a list of [digest of a code, when], of two minutes.
"""

from __future__ import annotations

import time

from allauth.mfa.models import Authenticator
from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction
from django.utils.crypto import salted_hmac

SPENT_SECONDS = 120.0
"""Longer than any code is good for: three half minutes."""


def has_second_factor(user: User | AnonymousUser) -> bool:
    """Whether the user logs in with a code."""
    own = Authenticator.objects.filter(user_id=user.pk, type=Authenticator.Type.TOTP)
    return user.is_authenticated and own.exists()


@transaction.atomic
def spend(authenticator: Authenticator, code: str) -> bool:
    """Note that a code was used; False if it was used before.

    Recovery codes are struck off by allauth, in the same way.
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
