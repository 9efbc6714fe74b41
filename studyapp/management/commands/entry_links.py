"""`manage.py entry_links STUDY`: create links with tokens, which are shown only once."""

from typing import Any
from urllib.parse import urlencode, urljoin

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse

from studyapp import exports
from studyapp.core.errors import StudyError
from studyapp.models import EntryToken, Recruitment
from studyapp.recruitment import selectors
from studyapp.recruitment.services import configuration, tokens


class Command(BaseCommand):
    """Makes tokens; the study then only admits people with a token or from its service."""

    help = "Create links with single-use, shared or kiosk tokens, and print one per line."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the number and kind of tokens."""
        parser.add_argument("study", help="SLUG, or SLUG@VERSION")
        parser.add_argument("--kind", choices=EntryToken.Kind.values, default="single")
        parser.add_argument("--count", type=int, default=1)
        parser.add_argument("--max-uses", type=int, help="limit of a shared or kiosk token")
        parser.add_argument("--note", default="", help="whom they are for; shown only to you")
        parser.add_argument("--url", default="http://127.0.0.1:8000", help="address of the site")
        parser.add_argument(
            "--keep-open", action="store_true", help="still admit people with the plain link"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Create the tokens and print their links."""
        try:
            study = exports.study_named(options["study"])
            made = tokens.make_tokens(
                study=study,
                kind=options["kind"],
                count=options["count"],
                max_uses=options["max_uses"],
                note=options["note"],
            )
        except (StudyError, exports.ExportError) as error:
            raise CommandError(str(error)) from error
        if not options["keep_open"]:
            row = selectors.of_study(study)
            configuration.configure(
                study=study,
                entry=Recruitment.Entry.TOKEN,
                service=row.service,
                external_study=row.external_study,
                payment=row.payment,
                currency=row.currency,
            )
        link = urljoin(options["url"], reverse("start", args=[study.slug]))
        for token in made:
            self.stdout.write(f"{link}?{urlencode({'t': token})}")
