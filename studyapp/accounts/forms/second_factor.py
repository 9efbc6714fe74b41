"""Codes of an authenticator app, or recovery codes; wrong ones count towards the lockout."""

from __future__ import annotations

from typing import Any

from allauth.core import context
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from axes.handlers.proxy import AxesProxyHandler
from django.contrib.auth.signals import user_login_failed
from django.core.exceptions import ValidationError

from studyapp.accounts.services.second_factor import spend


class _Counted:
    """Extends allauth's forms: refuses locked accounts, counts wrong codes, takes no code twice."""

    user: Any
    authenticator: Any

    def clean_code(self) -> str:
        """Return the code if it belongs to the user and has not been used."""
        credentials = {"username": self.user.get_username()}
        if not AxesProxyHandler.is_allowed(context.request, credentials):
            context.request.axes_locked_out = True
            context.request.axes_credentials = credentials
            raise get_adapter().validation_error("incorrect_code")
        try:
            code: str = super().clean_code()  # type: ignore[misc] # allauth's form
            if not spend(self.authenticator, code):
                raise get_adapter().validation_error("incorrect_code")
        except ValidationError:
            user_login_failed.send(
                sender=__name__, credentials=credentials, request=context.request
            )
            raise
        return code


class CodeForm(_Counted, AuthenticateForm):  # type: ignore[misc] # untyped
    """The second step of a login."""


class CodeAgainForm(_Counted, ReauthenticateForm):  # type: ignore[misc] # untyped
    """The same for a logged-in user who wants to change the account's protection."""
