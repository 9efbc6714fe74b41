"""Changes the password of a logged-in user; wrong old passwords count towards the lockout."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.models import User
from django.http import HttpRequest


class ChangeForm(PasswordChangeForm):
    """Django's form, with the old password checked as a login is."""

    def __init__(self, user: User, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(user, *args, **kwargs)
        self.request = request

    def clean_old_password(self) -> str:
        """Return the old password if it is correct and the account is not locked."""
        given: str = self.cleaned_data["old_password"]
        if authenticate(self.request, username=self.user.get_username(), password=given) is None:
            raise forms.ValidationError(
                self.error_messages["password_incorrect"], code="password_incorrect"
            )
        return given


class EmailForm(forms.Form):
    """The address to which password links are sent."""

    email = forms.EmailField(required=False, max_length=254, label="E-mail address")
