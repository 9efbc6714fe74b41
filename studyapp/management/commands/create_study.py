"""`manage.py create_study RUN --slug SLUG`: create a study from a finished run, or from a table:
`manage.py create_study --items items.csv --clips FOLDER --slug SLUG`.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import models

from studyapp.core.errors import RunError, StudyError
from studyapp.core.text_files import decoded
from studyapp.management import recruitment_options
from studyapp.management.study_bar import create_with_bar
from studyapp.models import Run, Study
from studyapp.models.steps import all_steps, paper_steps
from studyapp.recruitment.services import configuration
from studyapp.runs import selectors as run_selectors
from studyapp.runs.services import steered
from studyapp.runs.services.item_tables import make as item_tables
from studyapp.runs.services.item_tables.check import COLUMNS, check
from studyapp.studies import own_questions
from studyapp.studies.questionnaire import wording_of
from studyapp.studies.selectors import feature_lists
from studyapp.studies.selectors.studies import main_items, methods_of
from studyapp.studies.services import (
    consent_facts,
    drawing,
    lifecycle,
    protocol,
    quality_rules,
    series,
)
from studyapp.studies.settings import SETTINGS, Setting

Value = TypeVar("Value", str, float, Path)
OFFERED = [one for one in SETTINGS if one.option]
HELP = {
    "steps": f"comma-separated, of {','.join(all_steps())}; or 'paper'; default: all",
    "strata": f"what features are stratified by, comma-separated, of {','.join(drawing.STRATA)}",
    "quality_rules": f"RULE is one of {', '.join(quality_rules.RULES)}",
    "codes": f"ENDING is one of {', '.join(configuration.ENDINGS)}",
}
"""Help texts that list the possible values."""


class Command(BaseCommand):
    """Draws features and makes sounds and items; the study is a draft unless `--open` is given."""

    help = "Create a study from a finished run: draw features, make sounds and items."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add runs and methods, every setting that has an option, and recruitment."""
        parser.add_argument("run", nargs="?", help="name of the run; none with --items")
        parser.add_argument(
            "--items",
            type=Path,
            metavar="CSV",
            help=f"a table in place of a run, with the columns {', '.join(COLUMNS)} (or clips, a "
            "list with | between, to draw three from)",
        )
        parser.add_argument("--clips", type=Path, metavar="FOLDER", help="where its sounds are")
        parser.add_argument("--more-runs", default="", help="comma-separated names of further runs")
        parser.add_argument("--methods", help="comma-separated; default: every method of the run")
        for one in OFFERED:
            parser.add_argument(one.option, **_option(one))
        parser.add_argument("--list", default="", help="name of one of the run's lists of features")
        parser.add_argument(
            "--list-file", type=Path, help="a file of features instead, SAE/INDEX, one per line"
        )
        recruitment_options.add_options(parser)
        parser.add_argument(
            "--time-zone", help="of the times on the study's pages, such as Europe/Berlin"
        )
        parser.add_argument("--open", action="store_true", help="freeze and open the study")

    def handle(self, *_: Any, **options: Any) -> None:
        """Create the study."""
        settings = {one.name: _read(one, options[one.name]) for one in OFFERED}
        run, is_new = self._source(options)
        if options["items"] and not settings.get("features_wanted"):
            settings["features_wanted"] = run.features.count()
        try:
            _find_steered(run, settings, options)
            self._create(run, settings, options)
        except BaseException:
            if is_new:
                item_tables.discard(run)
            raise

    def _source(self, options: dict[str, Any]) -> tuple[Run, bool]:
        """Return the run, or what was made of the table, and whether that is new."""
        given = [options["items"] is not None, options["clips"] is not None]
        if options["run"] is not None and not any(given):
            return _run(options["run"]), False
        if options["run"] is not None or not all(given):
            raise CommandError("name a run, or give --items and --clips")
        path, folder = options["items"], options["clips"]
        if not folder.is_dir():
            raise CommandError(f"--clips {folder} is not a folder")
        try:
            data = path.read_bytes()
        except OSError as error:
            raise CommandError(f"--items {path}: {error.strerror}") from error
        table, faults = check(data, folder)
        if table is None:
            for fault in faults:
                self.stderr.write(f"{path.name}: {fault}")
            count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
            raise CommandError(f"{path.name} has {count}; nothing was made")
        return item_tables.make(table=table, name=f"items of {options['slug']}")

    def _create(self, run: Run, settings: dict[str, Any], options: dict[str, Any]) -> None:
        try:
            # Before any sound is made; `configure` would find it out only afterwards.
            recruitment = recruitment_options.given_in(options, run.project)
            if options["time_zone"] is not None:
                series.check_time_zone(options["time_zone"])
            configuration.check_service(
                study=protocol.unsaved(**settings), service=options["service"]
            )
            study = create_with_bar(
                run=run,
                project=run.project,
                more_runs=[_run(name) for name in _words(options["more_runs"])],
                methods=_words(options["methods"] or "") or methods_of(run),
                within=partial(recruitment_options.configure, recruitment),
                **settings,
                **_listed(run, options),
            )
            if unstated := consent_facts.missing_of(study):
                self.stderr.write(f"The consent page does not state {', '.join(unstated)}.")
            if options["time_zone"] is not None:
                series.set_time_zone(study.series, options["time_zone"])
            if options["open"]:
                study = lifecycle.open_study(lifecycle.freeze(study))
        except StudyError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{study} is {study.state}: {main_items(study).count()} items")


def _option(one: Setting) -> dict[str, Any]:
    """Return the arguments of `add_argument` for a setting; the type follows from its column."""
    given: dict[str, Any] = {"dest": one.name, "help": HELP.get(one.name) or one.described}
    if one.name == "slug":
        return given | {"required": True}
    if one.metavar:
        return given | {"metavar": one.metavar, "action": "append"}
    if one.column.choices:
        return given | {"choices": [value for value, _ in one.column.flatchoices]}
    if isinstance(one.column, models.BooleanField):
        return given | {"action": "store_true"}
    given["metavar"] = one.option.lstrip("-").upper()
    for kind, column in ((int, models.IntegerField), (float, models.FloatField)):
        if isinstance(one.column, column):
            return given | {"type": kind}
    return given


def _read(one: Setting, given: Any) -> Any:
    """Return the setting's value; None, which means the default, if the option was not given."""
    return READ[one.name](given) if given is not None and one.name in READ else given


def _listed(run: Run, options: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that say which features are listed; none if no list is given."""
    name, file = options["list"], options["list_file"]
    if file is not None:
        try:
            lines = decoded(file.read_bytes()).splitlines()
        except (OSError, ValueError) as error:
            raise CommandError(f"--list-file {file}: {error}") from error
        members = [f"{run.identifier}/{line.strip()}" for line in lines if line.strip()]
        return {"listed": members, "list_name": file.stem}
    if not name:
        return {}
    row = feature_lists.named(run, name)
    if row is None:
        have = ", ".join(one.name for one in feature_lists.of_run(run)) or "none"
        raise CommandError(f"{run} has no list {name!r}; its lists: {have}")
    return {"listed": feature_lists.listed(row), "list_name": row.name}


def _run(name: str) -> Run:
    run = run_selectors.named(name)
    if run is None:
        raise CommandError(f"there is no run {name!r}")
    return run


def _find_steered(run: Run, settings: dict[str, Any], options: dict[str, Any]) -> None:
    """Read again what the runs' steering made, if the study is of pairs."""
    if settings["option_policy"] != Study.OptionPolicy.PAIR:
        return
    try:
        for one in [run, *(_run(name) for name in _words(options["more_runs"]))]:
            steered.refresh(one)
    except RunError as error:
        raise CommandError(str(error)) from error


def _words(given: str) -> list[str]:
    return [word.strip() for word in given.split(",") if word.strip()]


def _pairs(given: list[str], kind: Callable[[str], Value]) -> dict[str, Value]:
    """Parse a list of `NAME=VALUE`."""
    pairs: dict[str, Value] = {}
    for one in given:
        name, _, value = one.partition("=")
        try:
            pairs[name] = kind(value)
        except ValueError as error:
            raise CommandError(f"{one!r} is not NAME=VALUE with a number") from error
    return pairs


def _gold_msi(given: list[str]) -> dict[str, Any]:
    """Return `Study.questions` with the wordings in the files."""
    wording = {}
    for language, file in _pairs(given, Path).items():
        try:
            wording[language] = wording_of(decoded(file.read_bytes()))
        except (OSError, ValueError) as error:
            raise CommandError(f"--gold-msi {language}={file}: {error}") from error
    return {"musical_training": "gold-msi", "wording": wording}


def _own_questions(given: list[str]) -> list[dict[str, Any]]:
    """Return `Study.own_questions` with the texts in the files."""
    texts = {}
    for language, file in _pairs(given, Path).items():
        try:
            texts[language] = decoded(file.read_bytes())
        except (OSError, ValueError) as error:
            raise CommandError(f"--questions {language}={file}: {error}") from error
    try:
        return own_questions.joined(texts)
    except ValueError as error:
        raise CommandError(f"--questions: {error}") from error


def _steps(given: str) -> list[str]:
    return paper_steps() if given == "paper" else [step.strip() for step in given.split(",")]


READ: dict[str, Callable[[Any], Any]] = {
    "steps": _steps,
    "saes": _words,
    "contrasts": _words,
    "strata": _words,
    "languages": lambda given: given.split(","),
    "questions": _gold_msi,
    "own_questions": _own_questions,
    "quality_rules": lambda given: _pairs(given, float),
    "codes": lambda given: _pairs(given, str),
}
"""Readers of the options that are more than a word or a number."""
