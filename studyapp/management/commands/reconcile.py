"""`manage.py reconcile [STUDY]`: compare Prolific's submissions with the participations here."""

import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from studyapp import exports
from studyapp.core.errors import RecruitmentError
from studyapp.models import Study
from studyapp.recruitment import selectors as recruitment
from studyapp.recruitment.services import actions, prolific


class Command(BaseCommand):
    """Frees the places of returned and timed-out submissions whose messages were lost."""

    help = "Compare Prolific's submissions with the participations here; --every repeats this."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the study and the interval."""
        parser.add_argument(
            "study", nargs="?", help="SLUG or SLUG@VERSION; default: all open and paused studies"
        )
        parser.add_argument("--every", type=int, metavar="SECONDS", help="repeat at this interval")

    def handle(self, *_: Any, **options: Any) -> None:
        """Compare once, or repeatedly until interrupted, even if the service is down at times."""
        every = options["every"]
        if every is not None and every < 10:
            raise CommandError(f"--every is {every}; it must be at least 10 seconds")
        if not (options["study"] or settings.PROLIFIC_TOKEN):
            self.stdout.write("PROLIFIC_TOKEN is not set, so there is nothing to compare with")
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
        """Compare, print the outcome, and return the error, or ""."""
        try:
            done = prolific.reconcile(study=study)
            unresolved = actions.settle_all(study=study)
        except RecruitmentError as error:
            self.stderr.write(f"{study}: {error}")
            return str(error)
        ended = ", ".join(f"{count} {status}" for status, count in sorted(done.reclaimed.items()))
        self.stdout.write(
            f"{study}: {done.submissions} submissions, {done.unknown} of them never came here; "
            f"ended now: {ended or 'none'}"
        )
        for one in unresolved:
            self.stdout.write(f"{one}: see the study's page Recruitment")
        if done.strangers:
            names = ", ".join(exports.pseudonym(one.identifier) for one in done.strangers)
            self.stdout.write(
                f"{len(done.strangers)} not known to Prolific, flagged submission_unknown: {names}"
            )
        return ""


def _named(name: str) -> Study:
    try:
        return exports.study_named(name)
    except exports.ExportError as error:
        raise CommandError(str(error)) from error
