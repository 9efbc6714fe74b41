"""`manage.py backup OUT`: back up the database and the data folder while the site runs."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from studyapp.core.errors import BackupError
from studyapp.core.keys import key_fingerprint
from studyapp.hosting import backups


class Command(BaseCommand):
    """Makes a backup that `restore` can restore."""

    help = "Back up the database and the data folder into a new folder; keys are not included."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the target, and whether the data folder is included."""
        parser.add_argument("out", type=Path, help="new folder, on another disk")
        parser.add_argument(
            "--database-only",
            action="store_true",
            help="without the data folder; copy it afterwards, for example with rsync",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Make the whole backup or none."""
        with_data = not options["database_only"]
        total = backups.size() if with_data else 0
        try:
            with tqdm(total=total, unit="B", unit_scale=True, desc="backup", delay=1.0) as bar:
                out = backups.back_up(out=options["out"], with_data=with_data, watch=bar.update)
        except BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"The backup is in {out}.")
        self.stdout.write(
            f"Keep the pseudonym key in another place (fingerprint {key_fingerprint()}): the "
            "backup cannot be restored without it."
        )
        for folder in backups.folders_left_out():
            self.stderr.write(f"not included: the folder {folder}")
