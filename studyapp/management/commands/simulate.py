"""`manage.py simulate STUDY --participants N`: send simulated listeners over real HTTP."""

from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import close_old_connections
from django.urls import reverse
from tqdm import tqdm

from studyapp import exports
from studyapp.models import Study
from studyapp.participation.services import practice
from studyapp.participation.views import visitor
from studyapp.simulation import crowd
from studyapp.simulation.knowledge import (
    expected_by_contrast,
    expected_by_method,
    knowledge_of,
)
from studyapp.simulation.listener import ListenerModel
from studyapp.studies.selectors import people

SPEEDS = ("instant", "real")


class Command(BaseCommand):
    """Sends listeners of known ability and bias through an open study."""

    help = "Send simulated listeners through the pages of an open study that is being served."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the study, the listeners and how they are sent."""
        model = ListenerModel()
        parser.add_argument("study", help="SLUG, or SLUG@VERSION")
        parser.add_argument("--participants", type=int, required=True, metavar="N")
        parser.add_argument("--url", default="http://127.0.0.1:8000", help="address of the site")
        parser.add_argument(
            "--seed", type=int, default=0, help="the same seed resumes an interrupted simulation"
        )
        parser.add_argument("--concurrency", type=int, default=8, help="simultaneous listeners")
        parser.add_argument("--speed", choices=SPEEDS, default="instant")
        parser.add_argument("--ability", type=float, default=model.ability)
        parser.add_argument(
            "--bias", type=float, default=model.bias, help="SD of the listeners' bias"
        )
        parser.add_argument(
            "--dose",
            type=float,
            default=model.dose,
            help="of pairs: log-odds of choosing the sound whose steering is stronger by 1",
        )
        parser.add_argument(
            "--headphones", type=float, default=0.9, help="share of listeners who wear headphones"
        )
        parser.add_argument(
            "--log", type=Path, help="file for every acknowledged answer, JSON lines"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Send the listeners and print the outcome."""
        study = open_study(options["study"])
        for name in ("participants", "concurrency"):
            if options[name] < 1:
                raise CommandError(f"--{name} is {options[name]}; it must be at least 1")
        model = ListenerModel(
            ability=options["ability"], bias=options["bias"], dose=options["dose"]
        )
        listeners = crowd.Crowd(
            link=urljoin(options["url"], reverse("start", args=[study.slug])),
            token=visitor.simulation_token(study),
            participants=options["participants"],
            seed=options["seed"],
            concurrency=options["concurrency"],
            real_time=options["speed"] == "real",
            model=model,
            headphones=options["headphones"],
            log=options["log"],
        )
        drawn = study.trials_per_participation + study.catch_trials + study.repeat_trials
        total = listeners.participants * (drawn + practice.count(study))
        with tqdm(total=total, desc="listeners", unit=" answer") as bar:
            outcome = crowd.send(listeners, knowledge_of(study), bar.update)
        # The simulation may take hours; the database may have been restarted in the meantime.
        close_old_connections()
        self._tell(outcome, study, model)

    def _tell(self, outcome: crowd.Outcome, study: Study, model: ListenerModel) -> None:
        say = self.stdout.write
        say(f"completed  {len(outcome.codes)} participations, each with a code")
        say(f"answers    {outcome.answers} acknowledged")
        say(f"codes      {len(set(outcome.codes))} different: {', '.join(outcome.codes[:3])} …")
        say(f"seconds    {outcome.seconds:.1f}")
        for ending, count in outcome.endings.items():
            say(f"ended      {count} × {ending}")
        if study.kind.picks_sound:
            for contrast, share in expected_by_contrast(study, model).items():
                say(f"expected   share {share:.3f} for the first of {contrast}")
        elif study.kind.has_labels:
            for method, value in expected_by_method(study, model).items():
                say(f"expected   mean confidence {value:.3f} for {method}")
        if outcome.failures:
            raise CommandError(f"{len(outcome.failures)} stopped; the first: {outcome.failures[0]}")


def open_study(name: str) -> Study:
    """Return the study. Raises `CommandError` if simulated listeners may not enter it."""
    try:
        study = exports.study_named(name)
    except exports.ExportError as error:
        raise CommandError(str(error)) from error
    if study.state != Study.State.OPEN:
        raise CommandError(f"{study} is {study.state}; listeners need an open study")
    if people.has_people(study) and not study.rehearsal:
        raise CommandError(
            f"{study} has answers by people; simulate in a separate study, "
            "or create one with create_study --rehearsal"
        )
    return study
