"""`manage.py create_study RUN --slug SLUG`: a study of a finished run."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from studyapp.errors import StudyError
from studyapp.management.study_bar import create_with_bar
from studyapp.selectors import runs as run_selectors
from studyapp.selectors.studies import methods_of
from studyapp.services import studies


class Command(BaseCommand):
    """Draws features, makes sounds and items; a draft, unless `--open` is given."""

    help = "Make a study of a finished run: features drawn, sounds made, items written."

    def add_arguments(self, parser: CommandParser) -> None:
        """The design."""
        parser.add_argument("run", help="name of the run")
        parser.add_argument("--slug", required=True, help="short name, part of the link")
        parser.add_argument("--title", default="What do these sounds share?")
        parser.add_argument(
            "--methods", help="comma-separated; every method of the run if not given"
        )
        parser.add_argument("--features", type=int, default=100)
        parser.add_argument("--ratings", type=int, default=1, help="wished for each item")
        parser.add_argument("--trials", type=int, default=10, help="of a participation")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--contact", default="")
        parser.add_argument("--open", action="store_true", help="freeze and open it")

    def handle(self, *_: Any, **options: Any) -> None:
        """Make it."""
        run = run_selectors.named(options["run"])
        if run is None:
            raise CommandError(f"there is no run {options['run']!r}")
        given = options["methods"]
        methods = [name.strip() for name in given.split(",")] if given else methods_of(run)
        try:
            study = create_with_bar(
                slug=options["slug"],
                title=options["title"],
                run=run,
                methods=methods,
                seed=options["seed"],
                features_wanted=options["features"],
                ratings_per_item=options["ratings"],
                trials_per_participation=options["trials"],
                contact=options["contact"],
            )
            if options["open"]:
                study = studies.open_study(studies.freeze(study))
        except StudyError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{study} is {study.state}: {study.items.count()} items")
