"""The app's configuration."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class StudyAppConfig(AppConfig):
    """The one app of the project."""

    name = "studyapp"
    verbose_name = "Earwitness"

    def ready(self) -> None:
        """Know the checks; have every migration, hence every start, look at key and folder."""
        from studyapp import checks  # noqa: F401 - registers them

        post_migrate.connect(_check_installation, sender=self)


def _check_installation(using: str, **_: Any) -> None:
    from django.core.management.base import CommandError

    from studyapp.errors import InstallationError
    from studyapp.services import installation

    try:
        if using == "default":
            installation.check()
    except InstallationError as error:
        raise CommandError(str(error)) from error
