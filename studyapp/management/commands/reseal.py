"""`manage.py reseal`: second factors under the present key, so that an earlier one can go."""

from typing import Any

from django.core.management.base import BaseCommand

from studyapp.accounts.second_factor import seal_again


class Command(BaseCommand):
    """The last step of changing EARWITNESS_SECRET_KEY."""

    help = "Seal every second factor under the present EARWITNESS_SECRET_KEY."

    def handle(self, *_: Any, **__: Any) -> None:
        """Do it, say how many."""
        self.stdout.write(f"sealed again: {seal_again()}; the earlier keys are not needed for them")
