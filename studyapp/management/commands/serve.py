"""`manage.py serve`: broker, worker and web server of this machine, watched until Ctrl-C."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from studyapp.management import serving


class Command(BaseCommand):
    """Serves the site; what is not there is started, what dies is started again."""

    help = "Serve the site: one worker, the web server, and the broker unless REDIS_URL is set."

    def add_arguments(self, parser: CommandParser) -> None:
        """Host, port and processes."""
        serving.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until Ctrl-C or SIGTERM."""
        asked = {name: options[name] for name in ("host", "port", "workers")}
        with serving.served(**asked, say=self.stdout.write) as (site, _over):
            self.stdout.write(f"Earwitness is open at {site.url} - Ctrl-C ends it.")
            site.watch()
        self.stdout.write("Ended.")
