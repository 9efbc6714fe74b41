"""Adapts allauth: no sign-up, encrypted secrets, and a second factor if it is required."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from studyapp.accounts.services.second_factor import has_second_factor

ALLOWED_WITHOUT = frozenset(
    {"account_reauthenticate", "mfa_activate_totp", "mfa_view_recovery_codes", "logout"}
)
"""Pages that work without a second factor, even if one is required."""


ENCRYPTED = frozenset({"secret", "seed"})
"""The encrypted values of second factors and recovery codes."""


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc] # untyped
    """Accounts are created by invitation or with `createsuperuser`."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Return False: nobody can sign up."""
        return False


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc] # untyped
    """Stores secrets encrypted with a key that is derived from the cookie key."""

    def encrypt(self, text: str) -> str:
        """Encrypt text, so that a copy of the database does not reveal anyone's codes."""
        return _cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Decrypt text. Raises `ImproperlyConfigured` if it was encrypted with another key."""
        try:
            return _cipher().decrypt(encrypted_text.encode()).decode()
        except InvalidToken as error:
            raise ImproperlyConfigured(
                "a second factor was encrypted with another EARWITNESS_SECRET_KEY: restore that"
                " key, or add it to EARWITNESS_SECRET_KEY_FALLBACKS,"
                " or delete the account's authenticators in the administration"
            ) from error


def reencrypt() -> int:
    """Encrypt every second factor again with the current key, and return how many there were.

    Afterwards earlier keys can be removed from `EARWITNESS_SECRET_KEY_FALLBACKS`.
    """
    adapter = SecondFactorAdapter()
    with transaction.atomic():
        rows = list(Authenticator.objects.select_for_update().exclude(type="webauthn"))
        for row in rows:
            for name in ENCRYPTED & row.data.keys():
                row.data[name] = adapter.encrypt(adapter.decrypt(row.data[name]))
            row.save(update_fields=["data"])
    return len(rows)


class RequiredMiddleware:
    """Redirects users without a second factor to the page that sets one up, if it is required."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        """Return a redirect, or None to continue; public pages need no second factor."""
        match = request.resolver_match
        if settings.SECOND_FACTOR != "required" or (match and match.url_name in ALLOWED_WITHOUT):
            return None
        if not getattr(view, "login_required", True):
            return None
        if not request.user.is_authenticated or has_second_factor(request.user):
            return None
        return redirect("mfa_activate_totp")


def _cipher() -> MultiFernet:
    every = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return MultiFernet([_fernet(key) for key in every])


def _fernet(key: str) -> Fernet:
    made = hashlib.sha256(b"earwitness.second-factor:" + key.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(made))
