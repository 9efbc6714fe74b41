"""Configuration of the Django app."""

from collections.abc import Callable
from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate, pre_save


class StudyAppConfig(AppConfig):
    """The one app of the project."""

    name = "studyapp"
    verbose_name = "Earwitness"

    def ready(self) -> None:
        """Register the checks and the signal handlers.

        Every migration, and so every start, checks key and folder. API tokens stay valid when
        Django only upgrades the hash of a password.
        """
        from studyapp.core import checks  # noqa: F401 - registers them

        pre_migrate.connect(_check_steps, sender=self)
        post_migrate.connect(_check_installation, sender=self)
        pre_save.connect(_keep_tokens, sender="auth.User")


def _check_steps(using: str, **_: Any) -> None:
    from studyapp.core import installation

    _refuse(using, installation.check_steps)


def _check_installation(using: str, **_: Any) -> None:
    from studyapp.core import installation

    _refuse(using, installation.check)


def _refuse(using: str, check: Callable[[], None]) -> None:
    from django.core.management.base import CommandError

    from studyapp.core.errors import InstallationError

    try:
        if using == "default":
            check()
    except InstallationError as error:
        raise CommandError(str(error)) from error


def _keep_tokens(instance: Any, update_fields: frozenset[str] | None, **_: Any) -> None:
    """Keep a user's tokens valid if Django is about to upgrade the hash of their password.

    Only then is the password the single field that is saved while `_password`, the new password,
    is empty (`AbstractBaseUser.check_password`).
    """
    from studyapp.accounts.services import tokens

    renewed = update_fields == frozenset({"password"}) and instance._password is None
    if renewed and instance.has_usable_password():
        tokens.keep_valid(user=instance)
