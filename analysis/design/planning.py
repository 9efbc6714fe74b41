"""Planning a study: power with its Monte Carlo error, expected interval width, cheapest design.

    python -m analysis design --participants 40 --trials 10 --ratings 1 --effect 0.5

Power is the share of simulated studies (`simulation`) in which the report's default confirmatory
test (`hypothesis_tests.mean_test`) is significant. A pilot's export can give the variance
components, by the mixed model, and the shares of the answers.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from scipy import stats

from analysis.design.simulation import Design, simulate
from analysis.errors import AnalysisError
from analysis.estimates.intervals import LEVEL, stream, student_quantile
from analysis.estimates.method_pairs import pair_of
from analysis.models.data import NotFitted
from analysis.models.joint import answers_of, fit_joint
from analysis.reading.columns import HIGHEST, LOWEST
from analysis.reading.companions import read_study
from analysis.reading.population import people_only
from analysis.reading.table import read_responses
from analysis.threads import one_thread

MOST_PARTICIPANTS = 2000
"""The search for the cheapest design tries no more participants per method than this."""

MOST_RATINGS = 100
"""And no more ratings per feature."""


@dataclass(frozen=True)
class Power:
    """The power and precision of a design."""

    design: Design
    power: float
    """Share of simulated studies with a significant difference."""
    monte_carlo_error: float
    """Standard error of `power`, from the number of simulations."""
    width: float
    """Mean width of the 95 % interval of the difference, steps of the scale."""
    simulations: int
    comparisons: int = 1
    """How many confirmatory tests it was corrected for."""


@one_thread()
def power(design: Design, *, simulations: int, seed: int = 0, comparisons: int = 1) -> Power:
    """Power of the two-sided confirmatory test at the level 1 − `LEVEL`, by simulation.

    With several confirmatory `comparisons` the level is divided by their number: Holm's first step,
    which a difference must pass if no other one is significant. Whatever the others are, Holm's
    correction finds this difference at least as often.

    A study without spread counts as not significant.
    """
    check(simulations, comparisons)
    rng = stream(seed, "design")
    level = (1 - LEVEL) / comparisons
    hits, widths = 0, []
    for _ in range(simulations):
        pair = simulate(design, rng)
        linear = pair.linear(pair.values)
        found = pair.standard_error(linear.recommended)
        if found is None:
            continue
        # Significant if the interval, difference ± t quantile × standard error, excludes 0.
        hits += abs(linear.value) > float(stats.t.isf(level / 2, found[1])) * found[0]
        widths.append(2 * student_quantile(LEVEL, found[1]) * found[0])
    error, width = monte_carlo_error(hits, simulations), float(np.mean(widths)) if widths else 0.0
    return Power(design, hits / simulations, error, width, simulations, comparisons)


def check(simulations: int, comparisons: int) -> None:
    """Refuse a number of simulated studies, or of comparisons, that gives no power."""
    if simulations < 20:
        raise AnalysisError(f"{simulations} simulations are too few; at least 20 are needed")
    if comparisons < 1:
        raise AnalysisError(f"comparisons is {comparisons}; it must be 1 or more")


def monte_carlo_error(hits: int, simulations: int) -> float:
    """√(p (1 − p) / simulations), with p kept half a study away from 0 and 1.

    Morris, White and Crowther (2019), Statistics in Medicine 38, 2074–2102.
    """
    p = min(max(hits / simulations, 0.5 / simulations), 1 - 0.5 / simulations)
    return math.sqrt(p * (1 - p) / simulations)


def cheapest(
    design: Design,
    *,
    wanted: float,
    trials: Sequence[int],
    simulations: int,
    seed: int = 0,
    cost_participant: float = 1.0,
    cost_trial: float = 0.1,
    comparisons: int = 1,
) -> tuple[Power, float] | None:
    """The design of lowest cost that reaches the power `wanted`, among several numbers of trials.

    For each number of trials the fewest participants are found by bisection. The cost is
    participants × `cost_participant` + trials × `cost_trial`, for both methods together. None if no
    design with up to `MOST_PARTICIPANTS` per method reaches that power.
    """
    if not 0 < wanted < 1:
        raise AnalysisError(f"the power asked for is {wanted:g}; it must be between 0 and 1")
    best: tuple[Power, float] | None = None
    for number in trials:
        # Enough participants that each feature can have its ratings, whatever was stated.
        least = max(design.participants, (1 + design.within) * design.ratings)
        base = dataclasses.replace(design, trials=number, participants=least)
        found = fewest(
            base, wanted=wanted, simulations=simulations, seed=seed, comparisons=comparisons
        )
        if found is None:
            continue
        cost = _cost(found.design, cost_participant, cost_trial)
        if best is None or cost < best[1]:
            best = found, cost
    return best


def _cost(design: Design, participant: float, trial: float) -> float:
    """The cost of both methods together."""
    people = design.participants * (1 if design.within else 2)
    return people * participant + 2 * design.participants * design.trials * trial


def fewest(
    design: Design, *, wanted: float, simulations: int, seed: int = 0, comparisons: int = 1
) -> Power | None:
    """The fewest participants that reach the power `wanted`, by bisection, to about 5 %.

    Ratings per feature stay as they are, so that more participants rate more features. Every size
    has the same seed (common random numbers), so that power rises steadily with size. None if
    `MOST_PARTICIPANTS` per method are too few.
    """

    def of(participants: int) -> Power:
        made = dataclasses.replace(design, participants=participants)
        return power(made, simulations=simulations, seed=seed, comparisons=comparisons)

    least = max(4, (1 + design.within) * design.ratings)
    return smallest(of, least=least, most=MOST_PARTICIPANTS, wanted=wanted)


def fewest_of_features(
    design: Design,
    *,
    features: int,
    wanted: float,
    simulations: int,
    seed: int = 0,
    comparisons: int = 1,
) -> Power | None:
    """The fewest participants that reach the power `wanted` with these features, rated more often.

    None if `MOST_RATINGS` per feature or `MOST_PARTICIPANTS` per method are too few: where features
    differ much, no number of ratings can make up for few of them.
    """

    def of(ratings: int) -> Power:
        participants = max(2, -(-features * ratings // design.trials))
        made = dataclasses.replace(design, participants=participants, ratings=ratings)
        return power(made, simulations=simulations, seed=seed, comparisons=comparisons)

    most = max(1, min(MOST_RATINGS, MOST_PARTICIPANTS * design.trials // features))
    return smallest(of, least=1, most=most, wanted=wanted)


class Powered(Protocol):
    """Anything that has a power."""

    @property
    def power(self) -> float:
        """From 0 to 1."""


Found = TypeVar("Found", bound=Powered)


def smallest(of: Callable[[int], Found], *, least: int, most: int, wanted: float) -> Found | None:
    """The power of the smallest number that reaches `wanted`; `of` must not fall."""
    # 1) Double the number until the power is reached.
    low, high = least, max(least + 1, 2 * least)
    found = of(low)
    if found.power >= wanted:
        return found
    while (found := of(min(high, most))).power < wanted:
        if high >= most:
            return None
        low, high = high, 2 * high
    high = min(high, most)
    # 2) Halve the bracket between the last two.
    while high - low > max(1, high // 20):
        middle = (low + high) // 2
        tried = of(middle)
        if tried.power >= wanted:
            high, found = middle, tried
        else:
            low = middle
    return found


def from_pilot(path: Path) -> Design:
    """The design that a pilot of two methods suggests: variance components, shares, effect.

    Standard deviations are those of the joint mixed model with the probit link, whose noise has
    SD 1 as the simulation's. The simulation draws a feature's level under each method anew, so its
    variance is that of features and of their own differences between methods together.
    """
    responses = people_only(read_responses(path), path.parent, read_study(path.parent))
    if len(responses.methods) != 2:
        raise AnalysisError(
            f"{path.name}: a pilot needs exactly two methods; this one has {len(responses.methods)}"
        )
    pair = pair_of(responses, *responses.methods)
    try:
        joint = fit_joint(answers_of(responses.ratings, pair.values), "probit")
    except NotFitted as reason:
        raise AnalysisError(f"{path.name}: {reason}") from reason
    sigma = dict(zip(joint.random, joint.fit.sigma.tolist(), strict=True))
    feature_sd = math.hypot(sigma.get("feature", 0.0), sigma.get("feature:method", 0.0))
    means = [float(pair.values[side].mean()) for side in (pair.is_a, ~pair.is_a)]
    lower = pair.values[pair.is_a if means[0] < means[1] else ~pair.is_a]
    # Half a rating is added to each step, so that a step that nobody chose has a share above 0.
    counts = np.bincount(lower.astype(np.int64), minlength=HIGHEST + 1)[LOWEST:] + 0.5
    return Design(
        participant_sd=min(5.0, sigma.get("participant", 0.0)),
        feature_sd=min(5.0, feature_sd),
        effect=abs(means[0] - means[1]),
        shares=tuple(float(share) for share in counts / counts.sum()),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m analysis design", description="Power and interval width of a planned study."
    )
    for field in dataclasses.fields(Design):
        if field.name not in ("shares", "within"):
            kind = int if field.name in ("participants", "trials", "ratings") else float
            parser.add_argument(
                f"--{field.name.replace('_', '-')}",
                type=kind,
                default=None,
                help=f"default {field.default}, or the pilot's",
            )
    parser.add_argument(
        "--within", action="store_true", default=None, help="every participant rates both methods"
    )
    parser.add_argument("--pilot", type=Path, default=None, help="a pilot's responses.csv")
    add_search(parser, "find the cheapest design that reaches this power")
    parser.add_argument(
        "--trials-tried",
        type=int,
        nargs="+",
        default=[5, 10, 15, 20],
        help="numbers of trials per participant that the search tries",
    )
    parser.add_argument("--cost-participant", type=float, default=1.0)
    parser.add_argument("--cost-trial", type=float, default=0.1)
    return parser


def add_search(parser: argparse.ArgumentParser, power: str) -> None:
    """The options that every design has; `power`: what is found if a power is asked for."""
    parser.add_argument("--power", type=float, default=None, help=power)
    parser.add_argument(
        "--comparisons",
        type=int,
        default=1,
        help="confirmatory tests that Holm's correction covers: the power of each, at least",
    )
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--json", type=Path, default=None, help="also write the answer to this file, as JSON"
    )


def run(arguments: Sequence[str]) -> str:
    """The command's answer as text."""
    given = _parser().parse_args(arguments)
    base = from_pilot(given.pilot) if given.pilot else Design()
    asked = {
        field.name: getattr(given, field.name)
        for field in dataclasses.fields(Design)
        if getattr(given, field.name, None) is not None
    }
    design = dataclasses.replace(base, **asked)
    found = power(
        design, simulations=given.simulations, seed=given.seed, comparisons=given.comparisons
    )
    answer: dict[str, object] = {"stated": dataclasses.asdict(found)}
    lines = [_described(found)]
    if given.power is not None:
        best = cheapest(
            design,
            wanted=given.power,
            trials=given.trials_tried,
            seed=given.seed,
            simulations=given.simulations,
            cost_participant=given.cost_participant,
            cost_trial=given.cost_trial,
            comparisons=given.comparisons,
        )
        lines.append(_cheapest_described(best, given.power))
        answer["cheapest"] = (
            None if best is None else dataclasses.asdict(best[0]) | {"cost": best[1]}
        )
    if given.json is not None:
        write(given.json, answer)
    return "\n".join(lines)


def write(path: Path, answer: dict[str, object]) -> None:
    """The answer as JSON."""
    try:
        path.write_text(json.dumps(answer, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or "cannot be written").lower()
        raise AnalysisError(f"{path.name}: {reason}") from error


def _described(found: Power) -> str:
    d = found.design
    return (
        f"{d.participants} participants {'for both methods' if d.within else 'per method'} x "
        f"{d.trials} trials{' per method' if d.within else ''}, "
        f"ratings per feature: {d.ratings} ({d.n_features} features), "
        f"participant SD {d.participant_sd:.2f}, feature SD {d.feature_sd:.2f}, "
        f"difference {d.effect:.2f}:\n"
        f"  power {found.power:.3f}{_of_several(found)} "
        f"(Monte Carlo error {found.monte_carlo_error:.3f}), "
        f"expected width of the 95 % interval {found.width:.2f}"
    )


def _of_several(found: Power) -> str:
    return f" for each of {found.comparisons} by Holm, at least" if found.comparisons > 1 else ""


def _cheapest_described(best: tuple[Power, float] | None, wanted: float) -> str:
    if best is None:
        return (
            f"No design up to {MOST_PARTICIPANTS} participants per method reaches power {wanted:g}."
        )
    return f"Cheapest design found for power {wanted:g} (cost {best[1]:.1f}):\n" + _described(
        best[0]
    )
