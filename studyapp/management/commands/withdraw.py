"""`manage.py withdraw PARTICIPATION --reason TEXT`: erase what a participant gave, on request."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from studyapp import exports
from studyapp.core.errors import StudyError
from studyapp.participation.services import withdrawal


class Command(BaseCommand):
    """Withdraws someone who asked for it, as the participant's own page does."""

    help = "Erase what a participant gave, as somebody asked for who can no longer do it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the participation and the reason."""
        parser.add_argument("participation", help="pseudonym, as in every export or on the pages")
        parser.add_argument("--reason", required=True, help="recorded in the audit trail; no names")

    def handle(self, *_: Any, **options: Any) -> None:
        """Erase, and print what else holds the data."""
        name = options["participation"]
        participation = exports.participation_named(name)
        if participation is None:
            raise CommandError(f"there is no participation {name!r}")
        try:
            withdrawal.withdraw_on_request(
                participation=participation, reason=options["reason"], user=None
            )
        except StudyError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{participation}, of {participation.study}, is withdrawn; its answers are erased. "
            "Make exports and reports again that were made before, and delete the old ones."
        )
