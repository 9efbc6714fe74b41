"""`manage.py demo`: makes corpus, run and study, and serves the site; keeps what exists.

Every step can be interrupted and is continued by the next call: the corpus and the run record what
is done, and the study is created in one transaction.
"""

import subprocess
import sys
from argparse import BooleanOptionalAction
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from studyapp.accounts.services.accounts import machine_login
from studyapp.core.errors import RunError, StudyError
from studyapp.core.text_files import decoded
from studyapp.hosting.serving import Site
from studyapp.management import serving
from studyapp.management.run_bars import RunBars
from studyapp.management.study_bar import create_with_bar
from studyapp.models import Run, Study
from studyapp.runs import selectors as run_selectors
from studyapp.runs.services import configs, lifecycle
from studyapp.studies.selectors.studies import main_items, newest
from studyapp.studies.services import frames
from studyapp.studies.services import lifecycle as studies

NAME = "demo"
CONTROL = "random-label"
METHODS = ("descriptors", "corpus-tags", CONTROL)
PLAN = {
    "comparisons": [
        ["descriptors", CONTROL],
        ["corpus-tags", CONTROL],
        ["corpus-tags", "descriptors"],
    ],
    "confirmatory": ["difference_mean_confidence"],
    "text": (
        "Confidence that a label fits is expected to be higher under each method than under the "
        "control, which gives each feature the labels of another one. Whether the two methods "
        "differ is open. Three comparisons of mean confidence, two-sided at 5 %, with Holm’s "
        "adjustment. Everything else is exploratory. Nobody is excluded; only complete "
        "participations count."
    ),
}
STUDY: dict[str, Any] = {
    "slug": NAME,
    "title": "What do these sounds share?",
    "seed": 2026,
    "features_wanted": 75,
    "ratings_per_item": 4,
    "trials_per_participation": 10,
    "analysis_plan": PLAN,
    "institution": "nobody: this is Earwitness’s demo",
    "compensation": "none",
    "contact": "whoever started the demo",
    "retention": "only on this machine, until its data folder is deleted",
    "rehearsal": True,
}
"""75 features under 3 methods, 4 ratings each, 10 trials per participation: 90 participations."""
POLL_SECONDS = 0.3


class Command(BaseCommand):
    """Makes the demo and serves it."""

    help = "Make the demo (corpus, run, study) and serve it; later calls keep what exists."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options of the server and the config."""
        serving.add_arguments(parser)
        config = Path(settings.BASE_DIR) / "fixtures" / "demo.toml"
        parser.add_argument("--config", type=Path, default=config, help="config of the run, TOML")
        parser.add_argument(
            "--serve", action=BooleanOptionalAction, default=True, help="keep serving at the end"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Do all steps, then print the links."""
        corpus = _make_corpus()
        config = _config(options["config"], corpus)
        asked = {name: options[name] for name in ("host", "port", "workers")}
        with serving.served(**asked, say=tqdm.write) as (site, over):
            run = _make_run(config)
            _await_run(run, site, over.is_set)
            study = _make_study(run)
            self._tell(site, study, machine_login(path=settings.DATA / "researcher.json"))
            if options["serve"]:
                site.watch()

    def _tell(self, site: Site, study: Study, login: tuple[str, str]) -> None:
        planned = main_items(study).count() * study.ratings_per_item
        lines = [
            f"The study is open: {planned} ratings planned.",
            f"  participants   {site.url}/s/{study.slug}/",
            f"  researchers    {site.url}/",
            f"  login          {login[0]} / {login[1]}   (made for this machine)",
            f"  simulated listeners, from a second terminal:  manage.py simulate {study.slug} "
            f"--participants {frames.places(study)} --url {site.url}",
            "Ctrl-C stops the site; everything is kept in " + str(settings.DATA),
        ]
        for line in lines:
            self.stdout.write(line)
        self.stdout.flush()


def _make_corpus() -> Path:
    """Make the demo corpus by its own command, because the site does not import the fixtures."""
    out = Path(settings.DATA) / "corpora" / NAME
    command = [sys.executable, "-m", "fixtures.corpus", "--out", str(out)]
    made = subprocess.run(command, cwd=settings.BASE_DIR, check=False)  # noqa: S603 - our own
    if made.returncode != 0:
        raise CommandError(f"the demo corpus could not be made in {out}; see the lines above")
    return out


def _config(path: Path, corpus: Path) -> dict[str, Any]:
    """Return the config of the run, with the demo corpus."""
    try:
        text = decoded(path.read_bytes())
        config = configs.config_from_toml(text=text, base=path.resolve().parent)
    except OSError as error:
        raise CommandError(f"config {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise CommandError(f"config {path} is {error}") from error
    except RunError as error:
        raise CommandError(f"config {path}: {error}") from error
    config["corpus"]["path"] = str(corpus)
    return config


def _make_run(config: dict[str, Any]) -> Run:
    """Return the demo's run, queued unless it is done or under way."""
    run = run_selectors.named(NAME)
    try:
        if run is None:
            run = lifecycle.create_run(
                name=NAME, config=config, created_by=None, directory=f"runs/{NAME}"
            )
        if run.state in lifecycle.STARTABLE:
            lifecycle.change_config(
                run=run, config=config
            )  # Folders may have moved since it was made.
            lifecycle.queue_run(run=run)
    except RunError as error:
        raise CommandError(str(error)) from error
    return run


def _await_run(run: Run, site: Site, is_over: Callable[[], bool]) -> None:
    """Show the run's progress, as read from its rows, until it is done."""
    with RunBars() as bars:
        while True:
            state, error = run_selectors.state_of(run)
            bars.show(run_selectors.stages_of(run))
            if state == Run.State.DONE:
                break
            if state == Run.State.FAILED:
                raise CommandError(f"the run failed: {error}")
            if is_over():
                raise CommandError("stopped; the next call continues from here")
            site.check()
            bars.wait(POLL_SECONDS)
    run.refresh_from_db()


def _make_study(run: Run) -> Study:
    """Return the demo's study, opened."""
    study = newest(NAME)
    try:
        if study is None:
            study = create_with_bar(run=run, methods=METHODS, **STUDY)
        if study.state == Study.State.DRAFT:
            study = studies.freeze(study)
        if study.state in (Study.State.FROZEN, Study.State.PAUSED):
            study = studies.open_study(study)
    except StudyError as error:
        raise CommandError(str(error)) from error
    return study
