"""`manage.py export_items STUDY --out DIR`: write a study's items as a table with its clips."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from studyapp import exports
from studyapp.exports.item_table import write_items


class Command(BaseCommand):
    """Writes items.csv and clips/, of which `create_study --items` makes the study again."""

    help = "Write a study's items as items.csv with their clips, for create_study --items."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the study and the target."""
        parser.add_argument("study", help="SLUG (its newest version), or SLUG@VERSION")
        parser.add_argument("--out", type=Path, required=True, help="new or empty folder")

    def handle(self, *_: Any, **options: Any) -> None:
        """Write the table and the clips."""
        try:
            out = write_items(
                study=exports.study_named(options["study"]), out=options["out"].absolute()
            )
        except exports.ExportError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"items.csv and clips are in {out}")
