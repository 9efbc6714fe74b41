"""`manage.py create_study RUN --slug SLUG`: a study of a finished run."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from studyapp.errors import StudyError
from studyapp.management.study_bar import create_with_bar
from studyapp.models import Study
from studyapp.selectors import runs as run_selectors
from studyapp.selectors.studies import main_items, methods_of
from studyapp.services import studies
from studyapp.steps import STEPS, default_steps, paper_steps


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
        parser.add_argument(
            "--steps", help=f"comma-separated, of {','.join(STEPS)}; or 'paper'; all if not given"
        )
        parser.add_argument("--practice", type=int, default=2, help="practice trials")
        parser.add_argument("--headphones", choices=Study.HeadphoneCheck.values, help="which check")
        parser.add_argument(
            "--headphones-required", action="store_true", help="screen out who fails the check"
        )
        parser.add_argument("--languages", default="en", help="comma-separated, the first is yours")
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
                steps=_steps(options["steps"]),
                practice_trials=options["practice"],
                headphone_check=options["headphones"],
                headphones_required=options["headphones_required"],
                languages=options["languages"].split(","),
            )
            if options["open"]:
                study = studies.open_study(studies.freeze(study))
        except StudyError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{study} is {study.state}: {main_items(study).count()} items")


def _steps(given: str | None) -> list[str]:
    if given is None:
        return default_steps()
    return paper_steps() if given == "paper" else [step.strip() for step in given.split(",")]
