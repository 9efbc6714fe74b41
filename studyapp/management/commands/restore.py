"""`manage.py restore IN`: restore a backup on an empty machine."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from studyapp.core.errors import BackupError
from studyapp.hosting import backups


class Command(BaseCommand):
    """Restores a backup, which requires the pseudonym key that it was made with."""

    help = "Restore a backup into an empty database and data folder, with the same key."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the backup."""
        parser.add_argument("folder", type=Path, metavar="IN", help="folder made by `backup`")

    def handle(self, *_: Any, **options: Any) -> None:
        """Check every file, then copy."""
        try:
            with tqdm(unit="B", unit_scale=True, desc="restore", delay=1.0) as bar:
                made = backups.restore(folder=options["folder"], watch=bar.update)
        except BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"Restored the backup of {made.made_at}. The next start of the site migrates its "
            "tables."
        )
