"""`manage.py import_run DIR_OR_URL --name NAME`: import a finished run directory."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from studyapp.accounts import selectors as projects
from studyapp.core.errors import RunError
from studyapp.models import Project
from studyapp.runs.services import imports


class Command(BaseCommand):
    """Imports a run directory and checks every hash in it."""

    help = "Import a finished run directory, after checking every hash in its manifest."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the directory, the name and the project."""
        where = "a folder, or the URL of a store, such as s3://BUCKET/PREFIX, where its files stay"
        parser.add_argument("directory", help=where)
        parser.add_argument("--name", required=True)
        parser.add_argument("--project", help="project that the run belongs to; default: none")

    def handle(self, *_: Any, **options: Any) -> None:
        """Import the run and print what it has."""
        try:
            run = imports.import_run(
                directory=options["directory"],
                name=options["name"],
                project=_project(options["project"]),
            )
        except RunError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"run {run.name} ({run.identifier}): {run.features.count()} features")


def _project(name: str | None) -> Project | None:
    found = projects.named(name) if name else None
    if name and found is None:
        raise CommandError(f"there is no project named {name!r}")
    return found
