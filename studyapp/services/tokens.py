"""Tokens of the data interface: made once, shown once, kept as a hash, revoked for good."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from django.utils import timezone

from studyapp.models import ApiToken

if TYPE_CHECKING:
    from django.contrib.auth.models import User

PREFIX = "ew_"


def make(*, user: User, name: str) -> tuple[ApiToken, str]:
    """A token and its secret, which cannot be read again."""
    secret = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        user=user, name=name[:100], prefix=secret[:8], secret_hash=_hash(secret)
    )
    return token, secret


def revoke(*, user: User, pk: int) -> bool:
    """End one of the user's tokens; whether there was such a one."""
    own = ApiToken.objects.filter(pk=pk, user=user, revoked_at=None)
    return bool(own.update(revoked_at=timezone.now()))


def holder(secret: str) -> User | None:
    """Whose secret it is; None if it is nobody's, revoked, or its owner's account is closed."""
    found = ApiToken.objects.select_related("user").filter(
        secret_hash=_hash(secret), revoked_at=None, user__is_active=True
    )
    token = found.first()
    if token is None:
        return None
    ApiToken.objects.filter(pk=token.pk).update(last_used_at=timezone.now())
    return token.user


def _hash(secret: str) -> str:
    # 256 random bits need no slow hash: there is nothing to guess.
    return hashlib.sha256(secret.encode()).hexdigest()
