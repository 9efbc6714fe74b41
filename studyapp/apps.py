"""The app's configuration."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_save


class StudyAppConfig(AppConfig):
    """The one app of the project."""

    name = "studyapp"
    verbose_name = "Earwitness"

    def ready(self) -> None:
        """Know the checks; have every migration, hence every start, look at key and folder.

        And have tokens outlive the hash of a password that stays."""
        from studyapp.core import checks  # noqa: F401 - registers them

        post_migrate.connect(_check_installation, sender=self)
        pre_save.connect(_keep_tokens, sender="auth.User")


def _check_installation(using: str, **_: Any) -> None:
    from django.core.management.base import CommandError

    from studyapp.core import installation
    from studyapp.core.errors import InstallationError

    try:
        if using == "default":
            installation.check()
    except InstallationError as error:
        raise CommandError(str(error)) from error


def _keep_tokens(instance: Any, update_fields: frozenset[str] | None, **_: Any) -> None:
    """Before Django stores a password's newer hash at a login.

    Only there is the password the one field saved and `_password`, a new one, empty
    (`AbstractBaseUser.check_password`).
    """
    from studyapp.accounts.services import tokens

    renewed = update_fields == frozenset({"password"}) and instance._password is None
    if renewed and instance.has_usable_password():
        tokens.keep_marks(user=instance)
