"""`manage.py reseal`: encrypt second factors with the current key, to retire an earlier one."""

from typing import Any

from django.core.management.base import BaseCommand

from studyapp.accounts.second_factor import reencrypt


class Command(BaseCommand):
    """The last step of changing EARWITNESS_SECRET_KEY."""

    help = "Encrypt every second factor again with the current EARWITNESS_SECRET_KEY."

    def handle(self, *_: Any, **__: Any) -> None:
        """Encrypt them again and print how many there are."""
        self.stdout.write(f"re-encrypted: {reencrypt()}; they no longer need the earlier keys")
