"""From a table to a `Summary`: every estimate and test, without writing or drawing anything."""

from __future__ import annotations

import dataclasses
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from analysis import comparisons
from analysis.calibration import (
    Bin,
    Points,
    Scores,
    describe_scores,
    predictions,
    read_scores,
    reliability_bins,
    score_points,
)
from analysis.choices import describe_choices
from analysis.errors import AnalysisError
from analysis.exclusions import Excluded, exclude
from analysis.intervals import LEVEL
from analysis.methods import Ratings, describe, ratings_of
from analysis.mixed import describe_mixed
from analysis.quality import describe_repeats, flag_counts, participations
from analysis.reliability import describe_agreement
from analysis.results import Estimate, HypothesisTest, Summary
from analysis.table import Responses, read_responses
from analysis.verdicts import EQUIVALENCE_BOUND, adjusted, verdicts_of

LEAST_RESAMPLES = 100
MOST_MIXED = 6
"""With more comparisons than this the mixed models are not fitted."""
COMPARED = ("mean_confidence", "share_at_least_4", "difference_mean_confidence")
"""The results shown with and without exclusions."""


@dataclass(frozen=True)
class Settings:
    """How a table is analysed."""

    seed: int = 0
    resamples: int = 10_000
    """Bootstrap resamples."""
    compare: tuple[str, str] | None = None
    """One comparison in place of all pairs."""
    statuses: tuple[str, ...] = ("complete",)
    """Participation statuses that enter the estimates."""
    bound: float = EQUIVALENCE_BOUND
    """Equivalence bound, steps of the scale."""
    exclusions: Path | None = None
    """Rules in place of the plan's."""

    def __post_init__(self) -> None:
        if self.resamples < LEAST_RESAMPLES:
            few = f"under {LEAST_RESAMPLES}: too few"
            raise AnalysisError(f"--resamples is {self.resamples}, {few}")
        if not 0 < self.bound <= 4:
            raise AnalysisError(
                f"--equivalence is {self.bound:g}; it must be above 0 and at most 4"
            )
        if self.seed < 0:
            raise AnalysisError(f"--seed is {self.seed}; it must be 0 or more")


@dataclass(frozen=True)
class Analysis:
    """Everything that the report is made from."""

    summary: Summary
    methods: tuple[Ratings, ...]
    quality: pd.DataFrame
    """One row a participation (`quality.participations`)."""
    curves: tuple[tuple[str, tuple[Bin, ...]], ...]
    """Reliability diagram of each method whose own confidence is beside the table."""
    points: dict[str, list[Points]]
    """Each machine score beside confidence (`calibration.score_points`)."""


def analyse(table_path: Path, settings: Settings) -> Analysis:
    """Read the table and its companions and compute everything; refusals are `AnalysisError`."""
    folder = table_path.parent
    read = read_responses(table_path, statuses=settings.statuses)
    excluded = exclude(read, folder, settings.exclusions)
    responses = excluded.responses
    quality = participations(read, folder)
    scores = read_scores(folder, responses)
    estimates, tests = _estimates(responses, scores, settings)
    summary = Summary(
        table=responses.name,
        table_sha256=responses.sha256,
        seed=settings.seed,
        resamples=settings.resamples,
        level=LEVEL,
        methods=tuple(responses.methods),
        accounting=dataclasses.asdict(responses.accounting) | {"statuses": responses.statuses},
        estimates=tuple(estimates),
        tests=tuple(adjusted(tests)),
        notes=responses.notes,
        exclusions=tuple(dataclasses.asdict(e) for e in excluded.exclusions),
        exclusion_source=excluded.source,
        without_exclusions=_without(read, excluded, settings),
        flags=flag_counts(quality),
        versions=_versions(),
    )
    methods = tuple(ratings_of(responses, method) for method in responses.methods)
    return Analysis(
        summary, methods, quality, _curves(responses, scores), score_points(responses, scores)
    )


def _estimates(
    responses: Responses, scores: Scores | None, settings: Settings
) -> tuple[list[Estimate], list[HypothesisTest]]:
    found: list[Estimate] = []
    tests: list[HypothesisTest] = []
    for method in responses.methods:
        found += _of_method(responses, scores, method, settings)
    chosen = comparisons.pairs(responses.methods, settings.compare)
    for a, b in chosen:
        pair = comparisons.pair_of(responses, a, b)
        found += comparisons.compare(pair, seed=settings.seed, resamples=settings.resamples)
        tests += verdicts_of(
            pair, seed=settings.seed, resamples=settings.resamples, bound=settings.bound
        )
        if len(chosen) <= MOST_MIXED:
            mixed, wald = describe_mixed(pair)
            found, tests = [*found, *mixed], [*tests, *wald]
    return found, tests


def _of_method(
    responses: Responses, scores: Scores | None, method: str, settings: Settings
) -> list[Estimate]:
    ratings = ratings_of(responses, method)
    seed, resamples = settings.seed, settings.resamples
    return [
        *describe(ratings, seed=seed, resamples=resamples),
        *describe_choices(responses, method, seed=seed, resamples=resamples),
        *describe_agreement(ratings, seed=seed, resamples=resamples),
        *describe_repeats(responses, method),
        *describe_scores(responses, scores, method, seed=seed, resamples=resamples),
    ]


def _without(read: Responses, excluded: Excluded, settings: Settings) -> tuple[Estimate, ...]:
    """Main results over all responses, where the rules dropped any."""
    if len(excluded.responses.ratings) == len(read.ratings):
        return ()
    found: list[Estimate] = []
    seed, resamples = settings.seed, settings.resamples
    for method in read.methods:
        found += describe(ratings_of(read, method), seed=seed, resamples=resamples)
    for a, b in comparisons.pairs(read.methods, settings.compare):
        pair = comparisons.pair_of(read, a, b)
        found += comparisons.mean_difference(pair, seed=seed, resamples=resamples)
    return tuple(e for e in found if e.recommended and e.name in COMPARED)


def _curves(responses: Responses, scores: Scores | None) -> tuple[tuple[str, tuple[Bin, ...]], ...]:
    if scores is None or not responses.has("chosen_rank"):
        return ()
    curves = []
    for method in responses.methods:
        frame = responses.ratings[responses.ratings["method"] == method]
        found = predictions(frame, scores, method)
        if found is not None:
            curves.append((method, tuple(reliability_bins(found[0], found[1]))))
    return tuple(curves)


def _versions() -> dict[str, str]:
    found = {name: version(name) for name in ("numpy", "scipy", "pandas", "matplotlib")}
    return {"python": platform.python_version(), **found}
