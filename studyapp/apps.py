"""The app's configuration."""

from django.apps import AppConfig


class StudyAppConfig(AppConfig):
    """The one app of the project."""

    name = "studyapp"
    verbose_name = "Earwitness"
