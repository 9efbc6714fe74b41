"""Differences between two methods in what listeners chose: always A − B.

Under `identification`: the difference in chance-corrected accuracy, also paired by feature. Under
`candidates`: the difference in the share of choices that are the method's first label.

Interval and test are one procedure, so that they cannot contradict each other: Student's t on the
recommended clustered standard error, as for a difference of means. Where each method's choices are
all hits or all misses there is no variance to estimate; then the interval is Newcombe's, on each
side's number of clusters, and the p-value is the level at which that interval reaches 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from analysis.arrays import Floats
from analysis.estimates.choices.outcomes import (
    UNKNOWN_CHANCE,
    Trials,
    candidates,
    corrected_interval,
    identification,
)
from analysis.estimates.comparisons import INVERTED, STUDENT_BY, reached_at, square_and_add
from analysis.estimates.hypothesis_tests import by_student, made, not_made
from analysis.estimates.intervals import LEVEL, NO_SPREAD, t_interval
from analysis.estimates.method_pairs import Pair, paired_difference
from analysis.estimates.results import Estimate, HypothesisTest, Interval
from analysis.reading.plan import ACCURACY_TEST, FIRST_LABEL_TEST
from analysis.reading.table import Responses


def compare_choices(
    responses: Responses, a: str, b: str, level: float = LEVEL
) -> tuple[list[Estimate], list[HypothesisTest]]:
    """The differences and their tests; empty without choices of the same kind by both methods."""
    found: list[Estimate] = []
    tests: list[HypothesisTest] = []
    trials, first = identification(responses), candidates(responses)
    if trials.both(a, b):
        estimates, test = _accuracy(trials.comparing(a, b), a, b, level)
        found, tests = [*found, *estimates], [*tests, test]
    if first.both(a, b):
        estimate, test = _first_label(first.comparing(a, b), a, b, level)
        found, tests = [*found, estimate], [*tests, test]
    return found, tests


def _accuracy(
    trials: Trials, a: str, b: str, level: float
) -> tuple[list[Estimate], HypothesisTest]:
    label = "difference in accuracy corrected for chance"
    hits = trials.pair(a, b, trials.hit)
    if not trials.known:
        quantity = hits.quantity(ACCURACY_TEST, label, "share", level)
        test = not_made(hits, ACCURACY_TEST, f"{label} is zero", UNKNOWN_CHANCE)
        return [quantity.not_estimable(UNKNOWN_CHANCE)], test
    pair = trials.pair(a, b, trials.corrected)
    g = float(trials.guess.max())
    # From always right, 1, to always wrong, −g / (1 − g).
    most = 1 + g / (1 - g)
    named = Named(ACCURACY_TEST, label, most)
    estimate, test = _difference(pair, hits.values, trials.guess, named, level)
    by_feature = paired_difference(
        pair,
        level,
        name="difference_identification_paired",
        label=f"{label}, paired by feature",
        unit="share",
        bounds=(-most, most),
    )
    return [estimate, by_feature], test


def _first_label(trials: Trials, a: str, b: str, level: float) -> tuple[Estimate, HypothesisTest]:
    pair = trials.pair(a, b, trials.hit)
    label = "difference in the share of choices that are the method’s first label"
    # No option is wrong, so nothing is corrected: a chance of 0.
    return _difference(
        pair, pair.values, 0 * trials.hit, Named(FIRST_LABEL_TEST, label, 1.0), level
    )


@dataclass(frozen=True)
class Named:
    """A difference's name, its label, and the largest that it can be, either way."""

    name: str
    label: str
    most: float


def _difference(
    pair: Pair, hits: Floats, guess: Floats, named: Named, level: float
) -> tuple[Estimate, HypothesisTest]:
    """The difference in the mean of the pair's values, with its interval and its test.

    `hits` and `guess` [rating]: whether a choice was a hit, and its chance to be one by guessing.
    """
    linear, null = pair.linear(pair.values), f"{named.label} is zero"
    way = linear.recommended
    found = pair.standard_error(way)
    if few := pair.too_few_for(way):
        interval, test = Interval.none(few), not_made(pair, named.name, null, few)
    elif pair.flat(hits):
        newcombe = _newcombe(pair, guess, way)
        interval, p = newcombe(level), _p_of(newcombe, linear.value)
        test = made(pair, named.name, null, None, None, p, note=f"{INVERTED}, by {way}")
    elif found is None:
        interval, test = Interval.none(NO_SPREAD), not_made(pair, named.name, null, NO_SPREAD)
    else:
        se, df = found
        bounds = -named.most, named.most
        interval = t_interval(linear.value, se, df, level, bounds, STUDENT_BY[way])
        test = by_student(pair, named.name, null, linear.value / se, df, way)
    quantity = pair.quantity(named.name, named.label, "share", level)
    return quantity.estimated(linear.value, interval, clustered_by=way), test


def _newcombe(pair: Pair, guess: Floats, way: str) -> Callable[[float], Interval]:
    """Newcombe's interval at any level, from each side's interval corrected for chance."""
    sides = [pair.one_side(first, pair.values) for first in (True, False)]
    chance = [float(guess[side].mean()) for side in (pair.is_a, ~pair.is_a)]

    def at(level: float) -> Interval:
        limits = [
            corrected_interval(one, g, way, level) for one, g in zip(sides, chance, strict=True)
        ]
        return square_and_add(sides[0].value, limits[0], sides[1].value, limits[1])

    return at


def _p_of(interval: Callable[[float], Interval], value: float) -> float:
    """The p-value of no difference: the level α at which the interval of 1 − α reaches 0."""

    def nearest(level: float) -> float:
        """The limit next to 0, positive while the interval excludes it."""
        found = interval(level)
        return (found.low or 0.0) if value > 0 else -(found.high or 0.0)

    return reached_at(nearest)
