"""Differences between two methods in what listeners chose: always A − B.

Under `identification`: the difference in chance-corrected accuracy, also paired by feature. Under
`candidates`: the difference in the share of choices that are the method's first label. Intervals
and tests are those of differences of shares and means (`comparisons`, `hypothesis_tests`).
"""

from __future__ import annotations

import dataclasses

from scipy import stats

from analysis.estimates.choice_outcomes import (
    UNKNOWN_CHANCE,
    Trials,
    candidates,
    identification,
)
from analysis.estimates.clustering import BOTH
from analysis.estimates.comparisons import share_difference, square_and_add
from analysis.estimates.hypothesis_tests import made, not_made
from analysis.estimates.intervals import LEVEL, NO_SPREAD, ClusterSums, share_interval
from analysis.estimates.method_pairs import Pair
from analysis.estimates.results import Counts, Estimate, HypothesisTest, Interval
from analysis.estimates.shared_features import paired
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
        estimates, test = _accuracy(trials, a, b, level)
        found, tests = [*found, *estimates], [*tests, test]
    if first.both(a, b):
        pair = first.pair(a, b, first.hit)
        label = "difference in the share of choices that are the method’s first label"
        found.append(share_difference(pair, pair.values, FIRST_LABEL_TEST, label, level))
        tests.append(_test(pair, FIRST_LABEL_TEST, f"{label} is zero"))
    return found, tests


def _accuracy(
    trials: Trials, a: str, b: str, level: float
) -> tuple[list[Estimate], HypothesisTest]:
    label = "difference in accuracy corrected for chance"
    if not trials.known:
        pair = trials.pair(a, b, trials.hit)
        quantity = pair.quantity(ACCURACY_TEST, label, "share", level)
        test = not_made(pair, ACCURACY_TEST, f"{label} is zero", UNKNOWN_CHANCE)
        return [quantity.not_estimable(UNKNOWN_CHANCE)], test
    pair, guess = trials.pair(a, b, trials.corrected), trials.pair(a, b, trials.guess)
    linear = pair.linear(pair.values)
    quantity = pair.quantity(ACCURACY_TEST, label, "share", level)
    interval = _interval(pair, guess, level)
    estimate = quantity.estimated(linear.value, interval, clustered_by=linear.recommended)
    test = _test(pair, ACCURACY_TEST, f"{label} is zero")
    return [estimate, _paired(pair, level)], test


def _interval(pair: Pair, guess: Pair, level: float) -> Interval:
    """As for a difference of shares (`comparisons.share_difference`), on the corrected scale.

    Where the sides are independent and features rated once, Newcombe's "square and add" of each
    side's Wilson interval of accuracy, corrected for its mean chance; else Student's t.
    """
    linear, most = pair.linear(pair.values), _widest(guess)
    if pair.crossed or linear.repeated:
        return pair.too_few or linear.student(linear.recommended, level, (-most, most))
    a, b = pair.sides(pair.values)
    chance_a, chance_b = (side.mean for side in guess.sides(guess.values))
    return square_and_add(a.mean, _side(a, chance_a, level), b.mean, _side(b, chance_b, level))


def _widest(guess: Pair) -> float:
    """The largest difference: from always right, 1, to always wrong, −g / (1 − g)."""
    g = float(guess.values.max())
    return 1 + g / (1 - g)


def _side(side: ClusterSums, g: float, level: float) -> Interval:
    """One method's interval: Wilson's of the accuracy p = g + (1 − g) × value, turned back."""
    implied = min(max(g + (1 - g) * side.mean, 0.0), 1.0)
    found = share_interval(
        implied, (1 - g) ** 2 * side.variance(), side.weight.sum(), side.n, level=level
    )
    if found.low is None or found.high is None:
        return found
    low, high = ((limit - g) / (1 - g) for limit in (found.low, found.high))
    return Interval(min(low, side.mean), high, found.kind)


def _paired(pair: Pair, level: float) -> Estimate:
    """The mean over shared features of the difference within a feature (`shared_features`)."""
    label = "difference in accuracy corrected for chance, paired by feature"
    quantity = pair.quantity("difference_identification_paired", label, "share", level)
    linear = paired(pair)
    if linear is None:
        return quantity.not_estimable(
            "fewer than two features were rated under both methods; pairing needs two"
        )
    counts = Counts(len(linear.influence), linear.n_participants, linear.n_features)
    most = 1 - float(pair.values.min())
    interval = linear.student(BOTH, level, (-most, most))
    return dataclasses.replace(quantity, counts=counts).estimated(
        linear.value, interval, clustered_by=BOTH
    )


def _test(pair: Pair, name: str, label: str) -> HypothesisTest:
    """Student's t on the recommended clustered standard error of the difference."""
    linear = pair.linear(pair.values)
    found = pair.standard_error(linear.recommended)
    if found is None:
        return not_made(pair, name, label, pair.too_few_for(linear.recommended) or NO_SPREAD)
    se, df = found
    t = linear.value / se
    p = float(2 * stats.t.sf(abs(t), df))
    return made(pair, name, label, t, df, p, note=f"Student's t, clustered by {linear.recommended}")
