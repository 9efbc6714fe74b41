"""What steering does, measured by a worker when a finished run's page asks for it.

The same as `python -m pipeline steer DIR --evaluate`: an evaluation that was stopped or interrupted
continues where it was if it is asked for again with the same settings. Opening the page has the
figures made from the files (`findings.request`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Q

from studyapp.core.errors import RunError
from studyapp.jobs import selectors as job_selectors
from studyapp.jobs.services import jobs, outages
from studyapp.models import Job, Run, SteeringEvaluation
from studyapp.runs.services import lifecycle, policy
from studyapp.runs.services.configs import refusals
from studyapp.runs.services.folders import run_directory
from studyapp.runs.services.progress import RowProgress
from studyapp.runs.services.results import findings
from studyapp.runs.services.results.quality import may_have
from studyapp.runs.services.steering_words import INTERVENTIONS

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

KIND = lifecycle.STEERING_KIND
ALPHAS = (0.5, 1.0, 2.0)
PROMPT = "Simple melody"
"""The paper's."""
DIRECTIONS = 20
"""Random directions that every feature is compared with."""
OFFERED = tuple(name for name in INTERVENTIONS if name not in ("add-two", "mean-difference"))
"""Without those that need a file of paired prompts or are no comparison of the paper."""
FEATURES, SEEDS, SECONDS = (1, 1000), (1, 16), (0.4, 30.0)
"""Smallest and largest values."""
SLOWER = 20
"""How many times as long it takes to generate and hear a second of music as to read one, where no
evaluation with the subject was measured: 17 on the nano subject on two cores."""


@dataclass(frozen=True)
class Settings:
    """What an evaluation generates."""

    features: int = 100
    """Kept features per SAE that are drawn."""
    seeds: int = 4
    seconds: float = 5.0
    """Length of a clip."""
    interventions: tuple[str, ...] = OFFERED

    def __post_init__(self) -> None:
        for name, value, (low, high) in (
            ("features", self.features, FEATURES),
            ("seeds", self.seeds, SEEDS),
            ("seconds", self.seconds, SECONDS),
        ):
            if not low <= value <= high:
                raise RunError(f"{name} is {value:g}; it must be from {low:g} to {high:g}")
        unknown = [one for one in self.interventions if one not in OFFERED]
        if unknown or not self.interventions:
            raise RunError(
                f"unknown intervention {unknown[0]!r}" if unknown else "choose an intervention"
            )


@dataclass(frozen=True)
class Estimate:
    """What an evaluation takes."""

    clips: int
    hours: float | None
    """None where nothing is known of the subject's speed."""
    is_measured: bool
    """Whether `hours` is from an earlier evaluation with the same subject."""


@transaction.atomic
def request(*, run: Run, settings: Settings, by: User | AnonymousUser | None = None) -> Job:
    """Have a worker evaluate steering, by the rules of starting a run.

    If the user who made the run may no longer start it, `by` becomes responsible for it. Raises
    `RunError` if the run is not finished or was made elsewhere, if an evaluation is under way, or
    if its project or `by` may not start it.
    """
    if not may_have(run):
        raise RunError(f"run {run.name!r} is not a finished run that was made here")
    # The lock makes two simultaneous requests see each other's job.
    Run.objects.select_for_update(no_key=True).get(pk=run.pk)
    if is_under_way(run):
        raise RunError(f"steering of run {run.name!r} is being evaluated; stop it first")
    lifecycle.check_project(run)
    if by is not None and policy.must_take_over(run, by):
        Run.objects.filter(pk=run.pk).update(created_by=by.pk)
    SteeringEvaluation.objects.update_or_create(
        run=run,
        defaults={
            "features": settings.features, "seeds": settings.seeds, "seconds": settings.seconds,
            "interventions": [*settings.interventions],
            "done": 0, "total": 0, "unit": "", "note": "", "started_at": None, "lines": [],
        },
    )  # fmt: skip
    queue = lifecycle.queue_of(config=run.config, stage="activations")
    return jobs.enqueue(kind=KIND, target=run.pk, queue=queue)


def stop(*, run: Run) -> None:
    """Stop the evaluation; what was measured is kept for one with the same settings. Raises
    `RunError` if none is under way."""
    if not jobs.stop(kind=KIND, target=run.pk):
        raise RunError(f"steering of run {run.name!r} is not being evaluated")


def newest(run: Run) -> Job | None:
    """The newest job that evaluates the run's steering."""
    return job_selectors.newest(kind=KIND, target=run.pk)


def is_under_way(run: Run) -> bool:
    """Whether an evaluation waits or is being made."""
    job = newest(run)
    return job is not None and job.state in Job.UNFINISHED


def latest(run: Run) -> SteeringEvaluation | None:
    """The evaluation that was last asked for here."""
    return SteeringEvaluation.objects.filter(run=run).first()


def estimate(*, run: Run, settings: Settings) -> Estimate:
    """How many clips an evaluation has, and how long it takes."""
    clips = clips_of(settings, _kept(run))
    of_second = _measured_speed(run)
    is_measured = of_second is not None
    if of_second is None:
        of_second = _guessed_speed(run)
    hours = None if of_second is None else clips * settings.seconds * of_second / 3600
    return Estimate(clips, hours, is_measured)


def clips_of(settings: Settings, kept: Sequence[int]) -> int:
    """Clips of an evaluation, at most; `kept` are the numbers of kept features of the SAEs."""
    total = 0
    for one in kept:
        features = min(settings.features, one)
        # Those without steering, and the random directions that all features share.
        per_seed = 1 + DIRECTIONS * len(ALPHAS)
        for name in settings.interventions:
            per_seed += features * (1 if name == "prompt" else len(ALPHAS))
        if {"ablate-asked", "random-ablation"} & set(settings.interventions):
            per_seed += features  # Without steering, with the label as the prompt.
        total += settings.seeds * per_seed
    return total


def _kept(run: Run) -> list[int]:
    counts = Counter(run.features.order_by().values_list("sae", flat=True))
    return [*counts.values()]


def _measured_speed(run: Run) -> float | None:
    """Seconds of work per second of music in evaluations with the same subject model, this run's
    own first."""
    model, device = _subject(run.config)
    known = SteeringEvaluation.objects.filter(~Q(clip_seconds=None)).select_related("run")
    rows = sorted(known.order_by("-pk")[:50], key=lambda one: one.run_id != run.pk)
    return next((r.clip_seconds for r in rows if _subject(r.run.config) == (model, device)), None)


def _subject(config: Mapping[str, Any]) -> tuple[str, str]:
    device = str(config.get("machine", {}).get("device", "cpu"))
    return str(config.get("subject", {}).get("model", "")), device


def _guessed_speed(run: Run) -> float | None:
    """The same from how long the subject took to read the corpus."""
    stage = run.stages.filter(stage="activations").first()
    length = run.config.get("corpus", {}).get("clip_seconds")
    if stage is None or not stage.seconds or not stage.done or not length:
        return None
    return float(SLOWER * stage.seconds / (stage.done * length))


class _Measuring(RowProgress):
    """Also measures how fast clips are made, where none was made before."""

    def __init__(self, row: SteeringEvaluation, lease: jobs.JobLease, *, is_new: bool) -> None:
        super().__init__(row, check=jobs.Checker(lease))
        self._row, self._is_new = row, is_new

    def finish(self) -> None:
        """Write the final count, and the speed after clips."""
        super().finish()
        speed = self._row.throughput
        if self._is_new and self._row.unit == "clip" and speed:
            self._row.clip_seconds = 1 / (speed * self._row.seconds)
            self._row.save(update_fields=["clip_seconds"])


def make(*, run: Run, lease: jobs.JobLease) -> None:
    """Evaluate steering. Called by the task.

    Raises `RunError` with one line, `BusyError` if another process is working in the folder.
    """
    from pipeline.errors import BusyError
    from pipeline.run import evaluate_steering

    if not may_have(run):  # Re-run, perhaps, since it was asked for.
        raise RunError(f"run {run.name!r} is not a finished run that was made here")
    policy.check_maker(run)
    if policy.is_guarded(run):
        policy.check(run.config)
    row = SteeringEvaluation.objects.get(run=run)
    try:
        with refusals("steering cannot be evaluated: "):
            files = run_directory(run, partial(outages.with_retries, lease.check))
            begun = Path(files.path) / ".unfinished" / findings.STEERING
            evaluate_steering(
                files, progress=_Measuring(row, lease, is_new=not begun.exists()),
                features=row.features, takes=row.seeds, seconds=row.seconds, alphas=ALPHAS,
                prompt=PROMPT,
                interventions=tuple(row.interventions), random_directions=DIRECTIONS,
            )  # fmt: skip
    except RunError as error:
        if isinstance(error.__cause__, BusyError):
            raise error.__cause__ from error
        raise
    if run.remote:  # The site would not notice the new files in the store.
        findings.store(run=run, stage=findings.STEERING, files=files)
