"""`manage.py create_study RUN --slug SLUG`: a study of a finished run."""

import re
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from django.core.management.base import BaseCommand, CommandError, CommandParser

from studyapp.core.errors import StudyError
from studyapp.core.text_files import decoded
from studyapp.management.study_bar import create_with_bar
from studyapp.models import Recruitment, Run, Study
from studyapp.models.steps import STEPS, default_steps, paper_steps
from studyapp.recruitment.services import entry
from studyapp.runs import selectors as run_selectors
from studyapp.studies.questionnaire import wording_of
from studyapp.studies.selectors.studies import main_items, methods_of
from studyapp.studies.services import drawing, lifecycle, quality_rules

Value = TypeVar("Value", str, float, Path)


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
        parser.add_argument("--ratings", type=int, default=1, help="ratings planned per item")
        parser.add_argument("--trials", type=int, default=10, help="of a participation")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--more-runs", default="", help="comma-separated names of further runs")
        parser.add_argument("--saes", default="", help="comma-separated; every SAE if not given")
        parser.add_argument(
            "--strata",
            default="sae",
            help=f"what the draw is stratified by, comma-separated, of {','.join(drawing.STRATA)}",
        )
        _add_design(parser)
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
        parser.add_argument("--loudness", type=float, default=-23.0, help="of every sound, LUFS")
        parser.add_argument(
            "--gold-msi", action="append", default=[], metavar="LANGUAGE=FILE",
            help="asks musical training by it: your wording, a paragraph an item, its seven "
            "answers below it, a line each",
        )  # fmt: skip
        _add_recruitment(parser)
        parser.add_argument(
            "--rehearsal", action="store_true",
            help="no real data: simulated listeners may go beside people, and all are counted",
        )  # fmt: skip
        parser.add_argument("--open", action="store_true", help="freeze and open it")

    def handle(self, *_: Any, **options: Any) -> None:
        """Make it."""
        run = _run(options["run"])
        methods = _words(options["methods"]) or methods_of(run)
        try:
            study = create_with_bar(
                slug=options["slug"],
                title=options["title"],
                run=run,
                project=run.project,
                more_runs=[_run(name) for name in _words(options["more_runs"])],
                methods=methods,
                saes=_words(options["saes"]),
                strata=_words(options["strata"]),
                seed=options["seed"],
                features_wanted=options["features"],
                ratings_per_item=options["ratings"],
                trials_per_participation=options["trials"],
                option_policy=options["policy"],
                design=options["design"],
                catch_trials=options["catch"],
                repeat_trials=options["repeats"],
                quality_rules=_pairs(options["quality"], float),
                codes=_pairs(options["code"], str),
                rehearsal=options["rehearsal"],
                contact=options["contact"],
                steps=_steps(options["steps"]),
                practice_trials=options["practice"],
                headphone_check=options["headphones"],
                headphones_required=options["headphones_required"],
                languages=options["languages"].split(","),
                loudness_lufs=options["loudness"],
                questions=_gold_msi(options["gold_msi"]),
                within=partial(_recruit, options),
            )
            if options["open"]:
                study = lifecycle.open_study(lifecycle.freeze(study))
        except StudyError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{study} is {study.state}: {main_items(study).count()} items")


def _add_design(parser: CommandParser) -> None:
    policies, designs = Study.OptionPolicy.values, Study.Design.values
    parser.add_argument("--policy", choices=policies, default="candidates", help="of options")
    parser.add_argument("--design", choices=designs, default="between", help="participants")
    parser.add_argument("--catch", type=int, default=0, help="catch trials of a participation")
    parser.add_argument("--repeats", type=int, default=0, help="trials that are shown again")
    rules = ", ".join(quality_rules.RULES)
    parser.add_argument(
        "--quality", action="append", default=[], metavar="RULE=NUMBER", help=f"of {rules}"
    )


def _add_recruitment(parser: CommandParser) -> None:
    endings = ", ".join(entry.ENDINGS)
    parser.add_argument(
        "--code", action="append", default=[], metavar="ENDING=CODE", help=f"of {endings}"
    )
    entries, services = Recruitment.Entry.values, Recruitment.Service.values
    parser.add_argument("--entry", choices=entries, default="link", help="who may enter")
    parser.add_argument("--service", choices=services, default="none", help="that recruits")
    parser.add_argument("--external-study", default="", help="the service's own identifier of it")
    parser.add_argument("--payment", help="of a complete participation, such as 3.50EUR")


def _recruit(options: dict[str, Any], study: Study) -> None:
    """How participants come, in the transaction that makes the study."""
    given = re.fullmatch(r"(\d{1,6}(?:\.\d{1,2})?) ?([A-Z]{3})", options["payment"] or "")
    if options["payment"] and not given:
        raise StudyError(f"payment is {options['payment']!r}: an amount and a currency, 3.50EUR")
    entry.configure(
        study=study,
        entry=options["entry"],
        service=options["service"],
        external_study=options["external_study"],
        payment=Decimal(given[1]) if given else None,
        currency=given[2] if given else "",
    )


def _run(name: str) -> Run:
    run = run_selectors.named(name)
    if run is None:
        raise CommandError(f"there is no run {name!r}")
    return run


def _words(given: str | None) -> list[str]:
    return [word.strip() for word in (given or "").split(",") if word.strip()]


def _pairs(given: list[str], kind: Callable[[str], Value]) -> dict[str, Value]:
    """`NAME=VALUE` each."""
    pairs: dict[str, Value] = {}
    for one in given:
        name, _, value = one.partition("=")
        try:
            pairs[name] = kind(value)
        except ValueError as error:
            raise CommandError(f"{one!r} is not NAME=VALUE with a number") from error
    return pairs


def _gold_msi(given: list[str]) -> dict[str, Any]:
    """`Study.questions` with the wordings in the files, if any."""
    wording = {}
    for language, file in _pairs(given, Path).items():
        try:
            wording[language] = wording_of(decoded(file.read_bytes()))
        except (OSError, ValueError) as error:
            raise CommandError(f"--gold-msi {language}={file}: {error}") from error
    return {"musical_training": "gold-msi", "wording": wording} if wording else {}


def _steps(given: str | None) -> list[str]:
    if given is None:
        return default_steps()
    return paper_steps() if given == "paper" else [step.strip() for step in given.split(",")]
