"""`manage.py export STUDY --out DIR`: export all data of a study as files."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from studyapp import exports


class Command(BaseCommand):
    """Writes responses.csv, the other tables and the codebook."""

    help = "Export a study: responses.csv, the other tables, and the codebook."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the study, the target and the options."""
        parser.add_argument("study", help="SLUG (its newest version), or SLUG@VERSION")
        parser.add_argument("--out", type=Path, required=True, help="new or empty folder")
        parser.add_argument(
            "--parquet", action="store_true", help="also write each table as Parquet"
        )
        parser.add_argument(
            "--spreadsheet", action="store_true", help="also write copies without formulas"
        )
        parser.add_argument(
            "--psych-ds", action="store_true", help="put the tables in data/, named as in Psych-DS"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Write all files or none."""
        try:
            study = exports.study_named(options["study"])
            forms = exports.Forms(
                parquet=options["parquet"],
                spreadsheet=options["spreadsheet"],
                psych_ds=options["psych_ds"],
            )
            out = exports.export_study(study=study, out=options["out"], watch=_bar, forms=forms)
        except exports.ExportError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{study} is in {out}")


def _bar(name: str, rows: Iterable[Any]) -> Iterable[Any]:
    return tqdm(rows, desc=name.ljust(16), unit=" row", delay=1.0)
