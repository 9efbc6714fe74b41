"""`manage.py backup OUT`: database, data folder, the key's fingerprint, while answers come in."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from studyapp.core.errors import BackupError
from studyapp.core.keys import key_fingerprint
from studyapp.hosting import backups


class Command(BaseCommand):
    """Makes a backup that `restore` takes."""

    help = "Back up database and data folder into a new folder; the keys themselves stay here."

    def add_arguments(self, parser: CommandParser) -> None:
        """Where to, and how much."""
        parser.add_argument("out", type=Path, help="new folder, on another disk")
        parser.add_argument(
            "--database-only",
            action="store_true",
            help="without the data folder, which rsync or the like then has to copy afterwards",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """All of it or nothing."""
        with_data = not options["database_only"]
        total = backups.size() if with_data else 0
        try:
            with tqdm(total=total, unit="B", unit_scale=True, desc="backup", delay=1.0) as bar:
                out = backups.back_up(out=options["out"], with_data=with_data, watch=bar.update)
        except BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"The backup is in {out}.")
        self.stdout.write(
            f"Keep the pseudonyms' key apart from it (fingerprint {key_fingerprint()}): without "
            "the key it cannot be restored."
        )
        for folder in backups.elsewhere():
            self.stderr.write(f"not in it: the folder {folder}")
