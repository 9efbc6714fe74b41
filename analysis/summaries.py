"""From a table to a `Summary`: every estimate and test, without writing or drawing anything."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.calibration import Bin, predictions, reliability_bins
from analysis.choices import describe_choices
from analysis.companions import read_study
from analysis.comparisons import compare
from analysis.errors import AnalysisError
from analysis.exclusions import Excluded, exclude
from analysis.free_text import OwnWords, describe_free_text, own_words
from analysis.intervals import LEVEL
from analysis.labels import Labels, read_labels
from analysis.machine import Points, describe_scores, score_points
from analysis.methods import Ratings, describe, ratings_of
from analysis.mixed import describe_mixed
from analysis.pairs import pair_of, pairs
from analysis.plan import Plan, departures, read_plan, too_late
from analysis.population import people_only
from analysis.quality import describe_repeats, flag_counts, participations
from analysis.reliability import describe_agreement
from analysis.results import Estimate, HypothesisTest, Summary
from analysis.table import Responses, read_responses
from analysis.threads import one_thread
from analysis.verdicts import CONFIRMATORY, EQUIVALENCE_BOUND, adjusted, in_families, verdicts_of

LEAST_RESAMPLES = 100
RESAMPLES = 10_000
MOST_MIXED = 6
"""With more comparisons than this the mixed models are not fitted."""


@dataclass(frozen=True)
class Settings:
    """How a table is analysed; None leaves it to the study's plan, else to the default."""

    seed: int | None = None
    """Default 0."""
    resamples: int | None = None
    """Bootstrap resamples, default 10,000."""
    compare: tuple[str, str] | None = None
    """One comparison in place of the plan's, or of all pairs."""
    statuses: tuple[str, ...] | None = None
    """Participation statuses that enter the estimates, default `complete` alone."""
    bound: float | None = None
    """Equivalence bound, steps of the scale, default `EQUIVALENCE_BOUND`."""
    exclusions: Path | None = None
    """Rules in place of the plan's."""
    embeddings: Path | None = None
    """Vectors of the free texts and labels (`similarity`)."""
    embed_command: str | None = None
    """A command that makes them."""

    def __post_init__(self) -> None:
        if self.resamples is not None and self.resamples < LEAST_RESAMPLES:
            few = f"under {LEAST_RESAMPLES}: too few"
            raise AnalysisError(f"--resamples is {self.resamples}, {few}")
        if self.bound is not None and not 0 < self.bound <= 4:
            raise AnalysisError(
                f"--equivalence is {self.bound:g}; it must be above 0 and at most 4"
            )
        if self.seed is not None and self.seed < 0:
            raise AnalysisError(f"--seed is {self.seed}; it must be 0 or more")
        if self.embeddings is not None and self.embed_command is not None:
            raise AnalysisError("--embeddings and --embed-command: give one of them")


@dataclass(frozen=True)
class Course:
    """What is done: the settings, where they are silent the plan, where that is the default."""

    plan: Plan
    seed: int
    resamples: int
    compare: tuple[str, str] | None
    statuses: tuple[str, ...]
    bound: float
    departures: tuple[str, ...]

    def pairs(self, methods: list[str]) -> list[tuple[str, str]]:
        """The comparisons: the one asked for, else the plan's in its order, then all others."""
        if self.compare is not None or self.plan.comparisons is None:
            return pairs(methods, self.compare)
        planned = [p for p in self.plan.comparisons if set(p) <= set(methods)]
        told = {frozenset(pair) for pair in planned}
        return planned + [p for p in pairs(methods) if frozenset(p) not in told]


def course(settings: Settings, study: Mapping[str, Any] | None) -> Course:
    """Settings and plan made one, with what departs from the plan."""
    plan = read_plan(study)
    asked = {
        "comparisons": None if settings.compare is None else (settings.compare,),
        "equivalence_bound": settings.bound,
        "statuses": settings.statuses,
        "resamples": settings.resamples,
        "seed": settings.seed,
    }
    return Course(
        plan=plan,
        seed=_first(settings.seed, plan.seed, 0),
        resamples=_first(settings.resamples, plan.resamples, RESAMPLES),
        compare=settings.compare,
        statuses=_first(settings.statuses, plan.statuses, ("complete",)),
        bound=_first(settings.bound, plan.equivalence_bound, EQUIVALENCE_BOUND),
        departures=tuple(departures(plan, asked)),
    )


def _first(asked: Any, planned: Any, default: Any) -> Any:
    return asked if asked is not None else planned if planned is not None else default


@dataclass(frozen=True)
class Analysis:
    """Everything that the report is made from."""

    summary: Summary
    responses: Responses
    """After exclusions."""
    methods: tuple[Ratings, ...]
    quality: pd.DataFrame
    """One row a participation (`quality.participations`)."""
    curves: tuple[tuple[str, tuple[Bin, ...]], ...]
    """Reliability diagram of each method whose own confidence is beside the table."""
    points: dict[str, list[Points]]
    """Each machine score beside confidence (`machine.score_points`)."""
    own: OwnWords | None
    """The listeners' own names (`free_text`)."""


@one_thread()
def analyse(table_path: Path, settings: Settings) -> Analysis:
    """Read the table and its companions and compute everything; refusals are `AnalysisError`."""
    folder = table_path.parent
    study = read_study(folder)
    done = course(settings, study)
    read = people_only(read_responses(table_path, statuses=done.statuses), folder, study)
    excluded = exclude(read, folder, settings.exclusions)
    responses = excluded.responses
    quality = participations(read, folder)
    labels = read_labels(folder, responses)
    own = own_words(
        responses, labels, embeddings=settings.embeddings, command=settings.embed_command
    )
    estimates, tests = _results(responses, labels, own, done)
    summary = Summary(
        table=responses.name,
        table_sha256=responses.sha256,
        seed=done.seed,
        resamples=done.resamples,
        level=LEVEL,
        methods=tuple(responses.methods),
        accounting=dataclasses.asdict(responses.accounting) | {"statuses": responses.statuses},
        estimates=tuple(estimates),
        tests=tuple(tests),
        notes=responses.notes,
        warnings=responses.warnings,
        exclusions=tuple(dataclasses.asdict(e) for e in excluded.exclusions),
        exclusion_source=excluded.source,
        without_exclusions=_without(read, labels, excluded, settings, done),
        flags=flag_counts(quality),
        versions=_versions(),
        comparisons=tuple(done.pairs(responses.methods)),
        plan=_plan_of(study, done.plan),
        deviations=tuple(_deviations(study, read, done, excluded, tests)),
        text_similarity=own.similarity if own else "",
    )
    return Analysis(
        summary=summary,
        responses=responses,
        methods=tuple(ratings_of(responses, method) for method in responses.methods),
        quality=quality,
        curves=_curves(responses, labels),
        points=score_points(responses, labels),
        own=own,
    )


def _plan_of(study: Mapping[str, Any] | None, plan: Plan) -> dict[str, Any]:
    """The plan as data; empty where none stands beside the table."""
    return dataclasses.asdict(plan) if (study or {}).get("analysis_plan") else {}


def _deviations(
    study: Mapping[str, Any] | None,
    read: Responses,
    done: Course,
    excluded: Excluded,
    tests: list[HypothesisTest],
) -> list[str]:
    """Everything in which this analysis is not the one fixed beforehand."""
    found = list(done.departures)
    answered = read.rows["answered_at"].tolist() if read.has("answered_at") else []
    if late := too_late(study, answered):
        found.append(late)
    if excluded.source == "deviation":
        found.append("The exclusion rules were given with the command in place of the plan’s.")
    found += [
        f"The plan’s exclusion rule {e.rule} was not applied: {e.reason}."
        for e in excluded.exclusions
        if not e.applied and excluded.source == "plan"
    ]
    methods = excluded.responses.methods
    for a, b in done.plan.comparisons or ():
        found += [
            f"The plan compares {a} with {b}; there are no ratings of {missing}."
            for missing in (a, b)
            if missing not in methods
        ]
    return found + _not_made(done.plan, tests)


def _not_made(plan: Plan, tests: list[HypothesisTest]) -> list[str]:
    """Confirmatory tests of the plan that the data do not allow."""
    made = {t.name for t in tests if t.family == CONFIRMATORY}
    absent = [
        f"The plan’s confirmatory test {name} does not apply to this design and was not made."
        for name in plan.confirmatory or ()
        if tests and name not in made
    ]
    impossible = [
        f"The plan’s confirmatory test {t.name} of {t.method} could not be made: {t.reason}."
        for t in tests
        if plan.named and t.family == CONFIRMATORY and t.p is None
    ]
    return absent + impossible


def _results(
    responses: Responses, labels: Labels | None, own: OwnWords | None, done: Course
) -> tuple[list[Estimate], list[HypothesisTest]]:
    """Every estimate and every test of a table."""
    found: list[Estimate] = []
    tests: list[HypothesisTest] = []
    for method in responses.methods:
        found += _of_method(responses, labels, own, method, done)
    chosen = done.pairs(responses.methods)
    for a, b in chosen:
        pair = pair_of(responses, a, b)
        found += compare(pair, seed=done.seed, resamples=done.resamples)
        made = verdicts_of(pair, seed=done.seed, resamples=done.resamples, bound=done.bound)
        if len(chosen) <= MOST_MIXED:
            mixed, wald = describe_mixed(pair)
            found, made = [*found, *mixed], [*made, *wald]
        tests += in_families(made, done.plan, (a, b))
    return found, adjusted(tests)


def _of_method(
    responses: Responses,
    labels: Labels | None,
    own: OwnWords | None,
    method: str,
    done: Course,
) -> list[Estimate]:
    ratings = ratings_of(responses, method)
    seed, resamples = done.seed, done.resamples
    return [
        *describe(ratings, seed=seed, resamples=resamples),
        *describe_choices(responses, method, seed=seed, resamples=resamples),
        *describe_agreement(ratings, seed=seed, resamples=resamples),
        *describe_repeats(responses, method),
        *describe_scores(responses, labels, method, seed=seed, resamples=resamples),
        *describe_free_text(responses, own, method),
    ]


def _without(
    read: Responses, labels: Labels | None, excluded: Excluded, settings: Settings, done: Course
) -> tuple[Estimate, ...]:
    """Every recommended result over all responses, where the rules dropped any."""
    if len(excluded.responses.ratings) == len(read.ratings):
        return ()
    own = own_words(read, labels, embeddings=settings.embeddings, command=settings.embed_command)
    found, _ = _results(read, labels, own, done)
    return tuple(e for e in found if e.recommended)


def _curves(responses: Responses, labels: Labels | None) -> tuple[tuple[str, tuple[Bin, ...]], ...]:
    if labels is None or not responses.has("chosen_rank"):
        return ()
    curves = []
    for method in responses.methods:
        frame = responses.ratings[responses.ratings["method"] == method]
        found = predictions(frame, labels, method)
        if found is not None:
            curves.append((method, tuple(reliability_bins(found[0], found[1]))))
    return tuple(curves)


def _versions() -> dict[str, str]:
    found = {name: version(name) for name in ("numpy", "scipy", "pandas", "matplotlib")}
    return {"python": platform.python_version(), **found}
