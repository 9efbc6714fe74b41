"""`manage.py restore IN`: a backup into an empty machine."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from studyapp.core.errors import BackupError
from studyapp.hosting import backups


class Command(BaseCommand):
    """Restores what `backup` made, under the key that it was made under."""

    help = "Restore a backup into an empty database and data folder, under the same key."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Which one."""
        parser.add_argument("folder", type=Path, metavar="IN", help="folder that `backup` made")

    def handle(self, *_: Any, **options: Any) -> None:
        """Checked in every file first, then copied."""
        try:
            with tqdm(unit="B", unit_scale=True, desc="restore", delay=1.0) as bar:
                made = backups.restore(folder=options["folder"], watch=bar.update)
        except BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"Restored the backup of {made.made_at}. The site's next start brings its tables up to "
            "date."
        )
