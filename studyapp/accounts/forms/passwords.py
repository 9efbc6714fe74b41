"""A new password for one who is logged in; a wrong old one counts towards the lock."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.models import User
from django.http import HttpRequest


class ChangeForm(PasswordChangeForm):
    """Django's, whose check of the old password is a login's."""

    def __init__(self, user: User, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(user, *args, **kwargs)
        self.request = request

    def clean_old_password(self) -> str:
        """The old password, if it is right and the account is not locked."""
        given: str = self.cleaned_data["old_password"]
        if authenticate(self.request, username=self.user.get_username(), password=given) is None:
            raise forms.ValidationError(
                self.error_messages["password_incorrect"], code="password_incorrect"
            )
        return given


class EmailForm(forms.Form):
    """Where a link for a new password is sent."""

    email = forms.EmailField(required=False, max_length=254, label="E-mail address")
