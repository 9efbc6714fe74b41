"""`manage.py report STUDY --out DIR`: export a study and make its report."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from studyapp import exports
from studyapp.results import services as results


class Command(BaseCommand):
    """Exports into DIR/export and reports into DIR/report."""

    help = "Export a study into DIR/export and make its report in DIR/report."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the study and the target."""
        parser.add_argument("study", help="SLUG (its newest version), or SLUG@VERSION")
        parser.add_argument("--out", type=Path, required=True, help="new or empty folder")

    def handle(self, *_: Any, **options: Any) -> None:
        """Export, then report."""
        out = options["out"]
        try:
            study = exports.study_named(options["study"])
            made = exports.export_study(study=study, out=out / "export")
            page = results.make_report(responses=made / "responses.csv", out=out / "report")
        except (exports.ExportError, results.ReportError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{study} is in {made}, its report in {page}")
