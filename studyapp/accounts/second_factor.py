"""How allauth is fitted in: closed for signing up, secrets sealed, a second factor if required."""

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

WITHOUT = frozenset(
    {"account_reauthenticate", "mfa_activate_totp", "mfa_view_recovery_codes", "logout"}
)
"""Pages for those who have no second factor yet where one is required."""


SEALED = frozenset({"secret", "seed"})
"""What is sealed of a second factor and of recovery codes."""


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc] # untyped
    """Accounts come by invitation or `createsuperuser`."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Nobody signs up."""
        return False


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc] # untyped
    """Secrets are stored under a key that is derived from the site's own."""

    def encrypt(self, text: str) -> str:
        """The sealed text: a copy of the database alone gives nobody's codes away."""
        return _seal().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """The text; refuses what another secret key has sealed."""
        try:
            return _seal().decrypt(encrypted_text.encode()).decode()
        except InvalidToken as error:
            raise ImproperlyConfigured(
                "a second factor was stored under another EARWITNESS_SECRET_KEY: put that key back,"
                " or into EARWITNESS_SECRET_KEY_FALLBACKS,"
                " or remove the account's authenticators in the administration"
            ) from error


def seal_again() -> int:
    """Seal every second factor under the present key; how many there were.

    After it the earlier keys may leave `EARWITNESS_SECRET_KEY_FALLBACKS`.
    """
    adapter = SecondFactorAdapter()
    with transaction.atomic():
        rows = list(Authenticator.objects.select_for_update().exclude(type="webauthn"))
        for row in rows:
            for name in SEALED & row.data.keys():
                row.data[name] = adapter.encrypt(adapter.decrypt(row.data[name]))
            row.save(update_fields=["data"])
    return len(rows)


class RequiredMiddleware:
    """Where a second factor is required, leads whoever has none to the page that sets it up."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        """None to go on; what asks for no login asks for no second factor either."""
        match = request.resolver_match
        if settings.SECOND_FACTOR != "required" or (match and match.url_name in WITHOUT):
            return None
        if not getattr(view, "login_required", True):
            return None
        if not request.user.is_authenticated or has_second_factor(request.user):
            return None
        return redirect("mfa_activate_totp")


def _seal() -> MultiFernet:
    every = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return MultiFernet([_fernet(key) for key in every])


def _fernet(key: str) -> Fernet:
    made = hashlib.sha256(b"earwitness.second-factor:" + key.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(made))
