"""The app's configuration."""

from django.apps import AppConfig


class StudyAppConfig(AppConfig):
    """The one app of the project."""

    name = "studyapp"
    verbose_name = "Earwitness"

    def ready(self) -> None:
        """Know the checks."""
        from studyapp import checks  # noqa: F401 - registers them
