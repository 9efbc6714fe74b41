"""`manage.py password_link NAME`: print a link that sets a new password once."""

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from studyapp.accounts.services import accounts


class Command(BaseCommand):
    """For users who forgot their password if the site cannot send mail."""

    help = "Print a link by which an account's owner can set a new password, once, within a day."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the account and the address of the site."""
        parser.add_argument("name", help="name of the account")
        parser.add_argument(
            "--site", help="address of the site; default: the first entry of EARWITNESS_HOSTS"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Print the link."""
        user = get_user_model().objects.filter(username=options["name"], is_active=True).first()
        if user is None:
            raise CommandError(f"there is no active account named {options['name']!r}")
        site = options["site"] or _default_site()
        self.stdout.write(f"{site.rstrip('/')}{accounts.password_path(user)}")


def _default_site() -> str:
    host = settings.ALLOWED_HOSTS[0].lstrip(".") if settings.ALLOWED_HOSTS else "localhost"
    return f"https://{host}" if settings.HTTPS else f"http://{host}:8000"
