"""`manage.py participant_list STUDY NAME FILE`: people who cannot begin a study, from a file."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from studyapp import exports
from studyapp.core.errors import StudyError
from studyapp.core.text_files import decoded
from studyapp.recruitment.services import configuration, person_lists


class Command(BaseCommand):
    """Adds the people of a file to a list of the study's project, and keeps them out of it."""

    help = "Keep the people of a file out of a study: one identifier per line, or a CSV's first."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the study, the list and the file."""
        parser.add_argument("study", help="SLUG, or SLUG@VERSION")
        parser.add_argument("name", help="of the list; made if the project has none of that name")
        parser.add_argument(
            "file", type=Path, help="identifiers, as the recruiting service has them"
        )
        parser.add_argument(
            "--only-add", action="store_true", help="add them to the list, without this study"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Add them."""
        try:
            study = exports.study_named(options["study"])
            text = decoded(options["file"].read_bytes())
            found = person_lists.identifiers_in(text)
            row, fresh = person_lists.add(
                project=study.project, name=options["name"], identifiers=found
            )
            if not options["only_add"]:
                configuration.keep_out(study=study, people=row)
        except (OSError, ValueError) as error:
            raise CommandError(f"{options['file']}: {error}") from error
        except (StudyError, exports.ExportError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{row}: {fresh} added, {row.people.count()} in all")
