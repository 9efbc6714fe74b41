"""The only module that calls the analysis: reports of exports, and power estimates of designs.

The analysis is heavy (numpy, scipy, pandas; a report also needs matplotlib). Only commands and
workers make reports; web processes only send the files of existing reports.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.urls import reverse

from studyapp.core.files import Report, report_in
from studyapp.jobs.services import jobs
from studyapp.models import Job, Study
from studyapp.studies.services import blinding, lifecycle

if TYPE_CHECKING:
    from analysis.design import Design, Power
    from analysis.design.pair_planning import PairPower
    from analysis.design.pair_simulation import PairDesign

KIND = lifecycle.REPORT
PAGE = "report.html"


class ReportError(Exception):
    """A report or estimate cannot be made; the message is the one line that users see."""


def make_report(
    *, responses: Path, out: Path, feature_pages: Mapping[str, str] | None = None
) -> Path:
    """Make the report of an exported `responses.csv` in the folder `out`, and return its page.

    `feature_pages` has for each run the address that its features' pages begin with.
    Raises `ReportError` if the table is refused.
    """
    from analysis.errors import AnalysisError
    from analysis.reading.moderators import MODERATORS
    from analysis.report import build_report

    try:
        build_report(responses, out, feature_pages=feature_pages, moderators=tuple(MODERATORS))
    except AnalysisError as error:
        raise ReportError(str(error)) from error
    return out / PAGE


def request_report(*, study: Study) -> Job:
    """Have a worker make or remake the report of this version of the study.

    Raises `ReportError` while results would unblind researchers.
    """
    if not blinding.may_be_seen(study):
        raise ReportError(
            f"{study} is not closed, and its results would unblind anyone who runs it"
        )
    return jobs.enqueue(kind=KIND, target=study.pk, queue=Job.Queue.CPU)


def feature_pages_of(study: Study) -> dict[str, str]:
    """Return for each run of the study the address that its features' pages begin with."""
    return {run.identifier: reverse("features", args=[run.pk]) for run in study.runs.all()}


def folder_of(study: Study) -> Path:
    """Return the folder of this version's report; it is never shared, whatever the slugs."""
    name = f"{study.pk}-{study.slug}-v{study.version}"
    return Path(settings.DATA) / "reports" / name


def report_of(study: Study) -> Report | None:
    """Return the latest report; None if there is none or it may not be seen yet."""
    return report_in(folder_of(study), PAGE) if blinding.may_be_seen(study) else None


@dataclass(frozen=True)
class PowerEstimate:
    """The expected power and precision of a design, by simulation."""

    power: float
    """Share of simulated studies whose confirmatory test finds the effect: at 5 %, or with several
    comparisons at least, by Holm's correction."""
    monte_carlo_error: float
    """Standard error of `power`."""
    width: float
    """Expected width of the 95 % interval of the difference, steps of the confidence scale."""
    participants: int
    """Participants per method; within participants the same ones rate every method."""
    features: int
    simulations: int
    ratings: int = 1
    """Ratings per feature and method."""
    comparisons: int = 1


@dataclass(frozen=True)
class Needed:
    """What it takes to reach a power; None where no reasonable number does."""

    by_ratings: PowerEstimate | None
    """With the same features, rated more or less often."""
    by_features: PowerEstimate | None
    """With the same ratings per feature, of more or fewer features."""


def estimate_power(
    *,
    participants: int,
    trials: int,
    ratings: int,
    effect: float = 0.5,
    within: bool = False,
    comparisons: int = 1,
    simulations: int = 200,
    seed: int = 0,
) -> PowerEstimate:
    """Estimate the power of a design by simulation, with the analysis's default variances.

    `participants` is per method, `trials` per participant and `ratings` per feature. With `within`,
    every participant rates both methods, `trials` each. `effect` is the smallest difference in mean
    confidence to detect. `comparisons` is how many confirmatory tests Holm's correction covers.
    200 simulations take a second or two for 80 participants.
    Raises `ReportError` with one line for an impossible design.
    """
    from analysis.design import power
    from analysis.errors import AnalysisError

    try:
        design = _design(participants, trials, ratings, effect, within)
        found = power(design, simulations=simulations, seed=seed, comparisons=comparisons)
    except AnalysisError as error:
        raise ReportError(str(error)) from error
    return _estimate(found)


def participants_needed(
    *,
    features: int,
    trials: int,
    ratings: int,
    effect: float = 0.5,
    within: bool = False,
    comparisons: int = 1,
    wanted: float = 0.8,
    simulations: int = 200,
    seed: int = 0,
) -> Needed:
    """How many participants it takes to reach the power `wanted`, to about 5 %.

    Arguments as in `estimate_power`. Raises `ReportError` with one line for an impossible design.
    """
    from analysis.design import fewest, fewest_of_features
    from analysis.errors import AnalysisError

    search: dict[str, Any] = {
        "wanted": wanted, "simulations": simulations, "seed": seed, "comparisons": comparisons,
    }  # fmt: skip
    try:
        enough = max(2, -(-features * ratings // trials))
        design = _design(enough, trials, ratings, effect, within)
        of_these = fewest_of_features(design, features=features, **search)
        of_more = fewest(design, **search)
    except AnalysisError as error:
        raise ReportError(str(error)) from error
    return Needed(
        None if of_these is None else _estimate(of_these),
        None if of_more is None else _estimate(of_more),
    )


def estimate_pair_power(
    *,
    listeners: int,
    features: int,
    trials: int,
    share: float,
    ties: float = 0.0,
    doses: Sequence[float] = (1.0,),
    contrasts: int = 1,
    comparisons: int = 1,
    simulations: int = 200,
    seed: int = 0,
) -> PowerEstimate:
    """Estimate the power of a study of pairs to find that the steered clip is chosen in `share` of
    the choices, with the analysis's default variances.

    `trials` is per listener, over `contrasts`, of which each feature has one item. The width is of
    the share's interval. Raises `ReportError` with one line for an impossible design.
    """
    from analysis.design.pair_planning import pair_power
    from analysis.errors import AnalysisError

    try:
        design = _pair_design(listeners, features, trials, share, ties, doses)
        found = pair_power(design, simulations=simulations, seed=seed, comparisons=comparisons)
    except AnalysisError as error:
        raise ReportError(str(error)) from error
    return _pair_estimate(found, contrasts)


def listeners_needed(
    *,
    features: int,
    trials: int,
    share: float,
    ties: float = 0.0,
    doses: Sequence[float] = (1.0,),
    contrasts: int = 1,
    comparisons: int = 1,
    wanted: float = 0.8,
    simulations: int = 200,
    seed: int = 0,
) -> Needed:
    """The fewest listeners with which a study of pairs reaches the power `wanted`, to about 5 %.

    Arguments as in `estimate_pair_power`. Raises `ReportError` as it does.
    """
    from analysis.design.pair_planning import fewest_listeners
    from analysis.errors import AnalysisError

    try:
        found = fewest_listeners(
            _pair_design(2, features, trials, share, ties, doses), wanted=wanted,
            simulations=simulations, seed=seed, comparisons=comparisons,
        )  # fmt: skip
    except AnalysisError as error:
        raise ReportError(str(error)) from error
    return Needed(None if found is None else _pair_estimate(found, contrasts), None)


def _pair_design(
    listeners: int, features: int, trials: int, share: float, ties: float, doses: Sequence[float]
) -> PairDesign:
    from analysis.design.pair_simulation import PairDesign

    return PairDesign(
        listeners=listeners, features=features, trials=trials, share=share, ties=ties,
        doses=tuple(doses),
    )  # fmt: skip


def _pair_estimate(found: PairPower, contrasts: int) -> PowerEstimate:
    design = found.design
    return PowerEstimate(
        power=found.power,
        monte_carlo_error=found.monte_carlo_error,
        width=found.width,
        participants=design.listeners,
        features=design.features,
        simulations=found.simulations,
        ratings=-(-design.listeners * design.trials // (design.features * contrasts)),
        comparisons=found.comparisons,
    )


def _design(participants: int, trials: int, ratings: int, effect: float, within: bool) -> Design:
    from analysis.design import Design

    return Design(
        participants=participants, trials=trials, ratings=ratings, effect=effect, within=within
    )


def _estimate(found: Power) -> PowerEstimate:
    return PowerEstimate(
        power=found.power,
        monte_carlo_error=found.monte_carlo_error,
        width=found.width,
        participants=found.design.participants,
        features=found.design.n_features,
        simulations=found.simulations,
        ratings=found.design.ratings,
        comparisons=found.comparisons,
    )
