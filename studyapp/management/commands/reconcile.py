"""`manage.py reconcile [STUDY]`: the recruiting service's list of submissions against ours."""

import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from studyapp import exports
from studyapp.core.errors import RecruitmentError
from studyapp.models import Study
from studyapp.recruitment import selectors as recruitment
from studyapp.recruitment.services import prolific


class Command(BaseCommand):
    """Reclaims the places of submissions that were returned or timed out, should a message miss."""

    help = "Compare Prolific's submissions with the participations here; --every repeats it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which study, and how often."""
        parser.add_argument(
            "study", nargs="?", help="SLUG, or SLUG@VERSION; without one all open and paused ones"
        )
        parser.add_argument("--every", type=int, metavar="SECONDS", help="again and again")

    def handle(self, *_: Any, **options: Any) -> None:
        """Once, or until interrupted; a service that is away for a while ends no repetition."""
        every = options["every"]
        if every is not None and every < 10:
            raise CommandError(f"--every is {every}; at least 10 seconds are needed")
        if not (options["study"] or settings.PROLIFIC_TOKEN):
            self.stdout.write("PROLIFIC_TOKEN is not set: there is nothing to compare with")
            return
        named = _named(options["study"]) if options["study"] else None
        while True:
            errors = [self._once(study) for study in ([named] if named else recruitment.listed())]
            if every is None:
                break
            time.sleep(every)
        if any(errors):
            raise CommandError("; ".join(filter(None, errors)))

    def _once(self, study: Study) -> str:
        """Compare, and say what came of it; why it could not be done, else nothing."""
        try:
            done = prolific.reconcile(study=study)
        except RecruitmentError as error:
            self.stderr.write(f"{study}: {error}")
            return str(error)
        ended = ", ".join(f"{count} {status}" for status, count in sorted(done.reclaimed.items()))
        self.stdout.write(
            f"{study}: {done.submissions} submissions, {done.unknown} of whom nobody came here; "
            f"ended now: {ended or 'none'}"
        )
        if done.strangers:
            names = ", ".join(exports.pseudonym(one.identifier) for one in done.strangers)
            self.stdout.write(
                f"{len(done.strangers)} that came here and Prolific does not know, flagged "
                f"submission_unknown: {names}"
            )
        return ""


def _named(name: str) -> Study:
    try:
        return exports.study_named(name)
    except exports.ExportError as error:
        raise CommandError(str(error)) from error
