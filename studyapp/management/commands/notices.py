"""`manage.py notices PROJECT --mail-to ADDRESSES`: where a project's notices go."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from studyapp.core.errors import StudyError
from studyapp.models import NoticeSettings, Project
from studyapp.monitoring.selectors import notices as selectors
from studyapp.monitoring.services import notices


class Command(BaseCommand):
    """Sets what is given, as the page of a project's notices does, and shows the settings."""

    help = "Set and show where a project's notices go: of full and silent studies, failed jobs."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the project and its settings."""
        parser.add_argument("project", help="the project's name")
        parser.add_argument("--mail-to", help="mail addresses, separated by commas; '' for none")
        parser.add_argument("--webhook", help="an https address; '' for none")
        parser.add_argument(
            "--quiet-hours", type=int,
            help="hours without an answer after which an open study is reported; 0 for never",
        )  # fmt: skip

    def handle(self, *_: Any, **options: Any) -> None:
        """Set them."""
        project = Project.objects.filter(name=options["project"]).first()
        if project is None:
            raise CommandError(f"there is no project {options['project']!r}")
        row = selectors.settings_of(project)
        names = ("mail_to", "webhook", "quiet_hours")
        given = {name: options[name] for name in names if options[name] is not None}
        if given:
            before = {name: getattr(row, name) for name in names}
            values = before | given
            try:
                row = notices.configure(
                    project=project, mail_to=values["mail_to"], webhook=values["webhook"],
                    quiet_hours=values["quiet_hours"] or None, user=None,
                )  # fmt: skip
            except StudyError as error:
                raise CommandError(str(error)) from error
        self.stdout.write(f"{project}: {_told(row)}")


def _told(row: NoticeSettings) -> str:
    hours = row.quiet_hours
    return ", ".join([
        f"mail to {row.mail_to}" if row.mail_to else "no mail",
        f"webhook {row.webhook}" if row.webhook else "no webhook",
        f"after {hours} hours without an answer" if hours else "never for silence",
    ])  # fmt: skip
