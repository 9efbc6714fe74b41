"""API tokens: shown once, stored as a hash, revoked for good.

A token expires after `EARWITNESS_TOKEN_DAYS`, and ends when its owner's password changes.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.hashers import get_hasher, is_password_usable
from django.contrib.auth.models import User
from django.utils import timezone

from studyapp.accounts.services.second_factor import has_second_factor
from studyapp.core.keys import secret_hash
from studyapp.models import ApiToken

PREFIX = "ew_"


def make(*, user: User, name: str) -> tuple[ApiToken, str]:
    """Create a token and return it with its secret, which cannot be read again."""
    secret = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        user=user, name=name[:100], prefix=secret[:8], secret_hash=secret_hash(secret),
        password_mark=password_mark(user),
        expires_at=timezone.now() + timedelta(days=settings.TOKEN_DAYS),
    )  # fmt: skip
    return token, secret


def revoke(*, user: User, pk: int) -> bool:
    """Revoke one of the user's tokens and return whether it existed."""
    own = ApiToken.objects.filter(pk=pk, user=user, revoked_at=None)
    return bool(own.update(revoked_at=timezone.now()))


def owner_of(secret: str) -> User | None:
    """Return the owner of a token's secret; None if the token is unknown or no longer valid."""
    token = ApiToken.objects.select_related("user").filter(secret_hash=secret_hash(secret)).first()
    if token is None or not is_valid(token):
        return None
    ApiToken.objects.filter(pk=token.pk).update(last_used_at=timezone.now())
    return token.user


def is_valid(token: ApiToken) -> bool:
    """Whether the token is valid: not revoked, not expired, and its owner's account is unchanged.

    The account must be active, have the same password as when the token was made, and have a
    second factor if the site requires one.
    """
    return (
        token.revoked_at is None
        and token.expires_at > timezone.now()
        and token.user.is_active
        and hmac.compare_digest(token.password_mark, password_mark(token.user))
        and (settings.SECOND_FACTOR != "required" or has_second_factor(token.user))
    )


def password_mark(user: User) -> str:
    """Return a value that changes with the password, however it is changed."""
    return secret_hash(user.password)


def keep_valid(*, user: User) -> None:
    """Keep the user's tokens valid before a new hash of the same password is saved."""
    stored = User.objects.filter(pk=user.pk).values_list("password", flat=True).first()
    if stored is not None and _is_outdated(stored):
        own = ApiToken.objects.filter(user=user, password_mark=secret_hash(stored))
        own.update(password_mark=password_mark(user))


def _is_outdated(encoded: str) -> bool:
    """Whether Django will upgrade this hash at the next login."""
    if not is_password_usable(encoded):
        return False
    preferred = get_hasher()
    return encoded.partition("$")[0] != preferred.algorithm or preferred.must_update(encoded)
