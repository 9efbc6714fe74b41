"""`manage.py reconcile STUDY`: the recruiting service's list of submissions against ours."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from studyapp import exports
from studyapp.errors import RecruitmentError
from studyapp.models import Study
from studyapp.services import prolific


class Command(BaseCommand):
    """Reclaims the places of submissions that were returned or timed out, should a message miss."""

    help = "Compare Prolific's submissions with the participations here; --every repeats it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which study, and how often."""
        parser.add_argument("study", help="SLUG, or SLUG@VERSION")
        parser.add_argument("--every", type=int, metavar="SECONDS", help="again and again")

    def handle(self, *_: Any, **options: Any) -> None:
        """Once, or until interrupted; a service that is away for a while ends no repetition."""
        try:
            study = exports.study_named(options["study"])
        except exports.ExportError as error:
            raise CommandError(str(error)) from error
        every = options["every"]
        if every is not None and every < 10:
            raise CommandError(f"--every is {every}; at least 10 seconds are needed")
        while True:
            try:
                self._once(study)
            except RecruitmentError as error:
                if every is None:
                    raise CommandError(str(error)) from error
                self.stderr.write(str(error))
            if every is None:
                return
            time.sleep(every)

    def _once(self, study: Study) -> None:
        done = prolific.reconcile(study=study)
        ended = ", ".join(f"{count} {status}" for status, count in sorted(done.reclaimed.items()))
        self.stdout.write(
            f"{done.submissions} submissions, {done.unknown} of whom nobody came here; "
            f"ended now: {ended or 'none'}"
        )
