"""`manage.py serve`: run web server, worker and broker on this machine until Ctrl-C."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from studyapp.management import serving


class Command(BaseCommand):
    """Serves the site and restarts processes that die."""

    help = "Serve the site: one worker, the web server, and the broker unless REDIS_URL is set."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add host, port and number of processes."""
        serving.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until Ctrl-C or SIGTERM."""
        asked = {name: options[name] for name in ("host", "port", "workers")}
        with serving.served(**asked, say=self.stdout.write) as (site, _over):
            self.stdout.write(f"Earwitness is open at {site.url} - Ctrl-C ends it.")
            site.watch()
        self.stdout.write("Stopped.")
