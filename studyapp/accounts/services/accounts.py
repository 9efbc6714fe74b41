"""Researchers' accounts: the demo's, those created by invitation, and their passwords."""

from __future__ import annotations

import json
import secrets
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.contrib.auth.tokens import default_token_generator
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from studyapp.accounts.services import projects
from studyapp.core import audit
from studyapp.core.errors import StudyError
from studyapp.core.storage import create_once
from studyapp.models import ApiToken, AuditRecord, Project

if TYPE_CHECKING:
    from django.contrib.auth.forms import UserCreationForm
    from django.contrib.auth.models import User

BETWEEN_MAILS = timedelta(minutes=10)
MAILED = "was sent a password link"


class NameTakenError(StudyError):
    """The name of a new account was taken a moment earlier."""


def machine_login(*, path: Path, name: str = "researcher") -> tuple[str, str]:
    """Return name and password of this machine's researcher, created once and kept in `path`.

    Only the file's owner can read it. The account is created or changed to match the file.
    """
    if not path.exists():
        made = {"name": name, "password": secrets.token_urlsafe(12)}
        create_once(path, json.dumps(made), mode=0o600)
    login = json.loads(path.read_text(encoding="utf-8"))
    user, _ = get_user_model().objects.get_or_create(username=login["name"])
    if not user.check_password(login["password"]):
        user.set_password(login["password"])
    user.is_staff = user.is_superuser = True
    user.save()
    return login["name"], login["password"]


def join(*, secret: str, form: UserCreationForm[User]) -> tuple[User, Project]:
    """Create the account of a valid form and accept the invitation with it, in one transaction.

    Raises `ProjectError` if the invitation is used up, `NameTakenError` if the name is taken.
    """
    try:
        with transaction.atomic():
            user = form.save()
            return user, projects.accept(secret=secret, user=user)
    except IntegrityError as error:
        raise NameTakenError("the name was taken a moment ago: choose another one") from error


@transaction.atomic
def set_password(*, user: User, password: str, by_link: bool = False) -> None:
    """Set a new password, which ends the account's tokens and (through Django) its other
    sessions."""
    user.set_password(password)
    user.save(update_fields=["password"])
    ApiToken.objects.filter(user=user, revoked_at=None).update(revoked_at=timezone.now())
    how = "set a password by a link" if by_link else "changed the password"
    audit.note(user=user, action=how, target=user.get_username())


def set_email(*, user: User, email: str) -> None:
    """Set the address to which password links are sent; "" for none."""
    user.email = email
    user.save(update_fields=["email"])
    audit.note(user=user, action="changed the e-mail address", target=user.get_username())


def password_path(user: User) -> str:
    """Return the path of a link that sets a new password once, within a day."""
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    return reverse("password-link", args=[uid, default_token_generator.make_token(user)])


def may_be_mailed(*, user: User) -> bool:
    """Whether a link may be sent to the user now; if so, record that it is sent."""
    name = user.get_username()
    since = timezone.now() - BETWEEN_MAILS
    if AuditRecord.objects.filter(action=MAILED, target=name, at__gt=since).exists():
        return False
    audit.note(user=None, action=MAILED, target=name)
    return True
