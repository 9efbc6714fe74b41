"""`manage.py replay PARTICIPATION`: rebuild from the seed what a participation was shown."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from studyapp import exports
from studyapp.core.errors import StudyError
from studyapp.participation.services import replay


class Command(BaseCommand):
    """Draws a participation's trials again and compares them with the stored ones."""

    help = "Rebuild from its seed what a participation was shown, and compare it with the rows."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the participation to rebuild."""
        parser.add_argument("participation", help="pseudonym, as in every export")

    def handle(self, *_: Any, **options: Any) -> None:
        """Print every trial, then whether all of them match the stored ones."""
        participation = exports.participation_named(options["participation"])
        if participation is None:
            name = options["participation"]
            raise CommandError(
                f"no export of this site has a participation {name!r}; was it made with another "
                "pseudonym key?"
            )
        try:
            shown = replay.replay(participation=participation)
        except StudyError as error:
            raise CommandError(str(error)) from error
        for trial in shown:
            self._tell(trial)
        rows = replay.stored(participation=participation)
        different = [a.number for a, b in zip(shown, rows, strict=False) if a != b]
        if different or len(shown) != len(rows):
            where = different[0] if different else min(len(shown), len(rows)) + 1
            raise CommandError(f"trial {where} differs from the stored one")
        self.stdout.write(
            f"{len(shown)} trials by {participation.algorithm} from seed {participation.seed}: "
            "identical to the stored ones"
        )

    def _tell(self, trial: replay.ShownTrial) -> None:
        again = f" of trial {trial.repeats}" if trial.repeats else ""
        self.stdout.write(f"{trial.number:>3} {trial.kind}{again}, item {trial.item}")
        self.stdout.write(f"    clips   {' '.join(clip[:12] for clip in trial.clips)}")
        for place, text in enumerate(trial.options, start=1):
            self.stdout.write(f"    {place} {text}")
