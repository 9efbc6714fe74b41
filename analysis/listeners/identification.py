"""How well listeners identified a method's labels, and their confidence given what they chose.

Under `identification`: accuracy, accuracy corrected for chance, d′, and confidence in right and in
wrong answers with its type-2 AUROC. Under `candidates`: confidence by the rank of the chosen label.
Trials may differ in their number of options. Only choices with a confidence count. "None of these
fits" counts as not right; it is left out of confidence given the choice, and where it was answered
there is no d′, whose model has no such answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from analysis.arrays import Ints
from analysis.estimates.choices.outcomes import (
    UNKNOWN_CHANCE,
    Trials,
    candidates,
    corrected_interval,
    identification,
    rank_of,
)
from analysis.estimates.clustering import Linear
from analysis.estimates.descriptives import Ratings, rating_share
from analysis.estimates.intervals import LEVEL
from analysis.estimates.results import Estimate, Interval, Quantity
from analysis.estimates.superiority import superiority
from analysis.reading.table import Responses

LEAST_OF_A_KIND = 5
"""With fewer right, or fewer wrong, answers than this the type-2 AUROC has no interval."""

MOST_D_PRIME = 10.0
"""Beyond this, and below its negative, d′ is not sought: accuracy is 1 or 0 to all digits."""

MOST_RANKS = 10
"""Ranks of chosen labels that are told apart, counting a label from another feature as one."""

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(120)
_WEIGHTS = _WEIGHTS / math.sqrt(2 * math.pi)


def describe_identification(
    responses: Responses, method: str, level: float = LEVEL
) -> Iterator[Estimate]:
    """Every estimate of a method's identification trials; nothing if it has none."""
    trials = identification(responses).of(method)
    if trials.frame.empty:
        return
    ratings = trials.ratings(method)
    label = "share of identification trials answered with the feature’s own label"
    yield from recognition(trials, ratings, IDENTIFICATION, label, level)
    chosen = trials.only(trials.chosen)
    if len(chosen.hit):
        yield from _given(chosen, chosen.ratings(method), level)
        yield _type_2(chosen, chosen.ratings(method), level)


IDENTIFICATION, INTRUDER = "identification", "intruder"
SENSITIVE = {IDENTIFICATION: "identification", INTRUDER: "finding the intruder"}
"""What a d′ is of, in words."""


def recognition(
    trials: Trials, ratings: Ratings, prefix: str, label: str, level: float
) -> Iterator[Estimate]:
    """Accuracy (`label` in words), its expected value under chance, corrected for it, and d′."""
    yield from rating_share(ratings, trials.hit, f"{prefix}_accuracy", label, level)
    yield chance(trials, ratings, f"{prefix}_chance", label, level)
    yield _corrected(trials, ratings, prefix, level)
    yield _d_prime(trials, ratings, prefix, level)


def chance(trials: Trials, ratings: Ratings, name: str, label: str, level: float) -> Estimate:
    """The expected share under random choice: the mean of 1 / options over the trials."""
    quantity = ratings.quantity(name, f"{label}: expected under chance", "share", level)
    if not trials.known:
        return quantity.not_estimable(UNKNOWN_CHANCE)
    fixed = Interval.none("a constant: 1 / number of options")
    return quantity.estimated(float(trials.guess.mean()), fixed)


def _corrected(trials: Trials, ratings: Ratings, prefix: str, level: float) -> Estimate:
    """The mean of `Trials.corrected`, with the interval of accuracy, corrected likewise."""
    label = "accuracy corrected for chance (0: random choice, 1: always right)"
    quantity = ratings.quantity(f"{prefix}_corrected", label, "share", level)
    if not trials.known:
        return quantity.not_estimable(UNKNOWN_CHANCE)
    linear = ratings.linear(trials.corrected)
    way = linear.recommended
    interval = corrected_interval(linear, float(trials.guess.mean()), way, level)
    return quantity.estimated(linear.value, interval, clustered_by=way)


def p_correct(d_prime: float, options: int) -> float:
    """Probability of a right choice among m options at sensitivity d′.

    p = ∫ φ(x − d′) Φ(x)^(m − 1) dx: the right option's value is normal about d′, the others' about
    0, all with variance 1 and independent, and the largest is chosen (Hacker and Ratcliff 1979,
    Perception & Psychophysics 26, 168–170). By Gauss–Hermite quadrature.
    """
    return float(_WEIGHTS @ special.ndtr(_NODES + d_prime) ** (options - 1))


def d_prime(accuracy: float, options: Ints) -> float | None:
    """The d′ at which the mean of `p_correct` over trials with these `options` is the accuracy.

    None where accuracy is 0 or 1, or so close that d′ is beyond `MOST_D_PRIME`.
    """
    gap = _gap(accuracy, options)
    if not 0 < accuracy < 1 or gap(-MOST_D_PRIME) > 0 or gap(MOST_D_PRIME) < 0:
        return None
    return float(optimize.brentq(gap, -MOST_D_PRIME, MOST_D_PRIME, xtol=1e-10))


def _gap(accuracy: float, options: Ints) -> Callable[[float], float]:
    sizes, counts = np.unique(options, return_counts=True)
    share = counts / counts.sum()

    def gap(d: float) -> float:
        return float(sum(w * p_correct(d, int(m)) for m, w in zip(sizes, share, strict=True)))

    return lambda d: gap(d) - accuracy


def _d_prime(trials: Trials, ratings: Ratings, prefix: str, level: float) -> Estimate:
    """d′ at the observed accuracy, with the interval's limits at the limits of accuracy.

    An accuracy pooled over listeners and features gives the d′ of that pool, which is below the
    mean of their own d′ where they differ.
    """
    label = f"sensitivity d′ of {SENSITIVE[prefix]}, among the options offered (0: random choice)"
    quantity = ratings.quantity(f"{prefix}_d_prime", label, "none", level)
    if not trials.known:
        return quantity.not_estimable(UNKNOWN_CHANCE)
    if not trials.chosen.all():
        return quantity.not_estimable("d′ has no model for the answer “none of these fits”")
    accuracy, options = float(trials.hit.mean()), trials.options
    value = d_prime(accuracy, options)
    if value is None:
        return quantity.not_estimable(f"at an accuracy of {accuracy:.0%} d′ has no finite value")
    # A trial's residual is its distance from the p of its own number of options.
    expected = {m: p_correct(value, m) for m in np.unique(options).tolist()}
    residual = trials.hit - np.array([expected[m] for m in options.tolist()])
    linear = Linear(accuracy, residual / len(residual), ratings.participant, ratings.feature)
    found = linear.share(linear.recommended, len(residual), level)
    return quantity.estimated(
        value, _d_prime_interval(found, options), clustered_by=linear.recommended
    )


def _d_prime_interval(found: Interval, options: Ints) -> Interval:
    if found.low is None or found.high is None:
        return found
    low, high = d_prime(found.low, options), d_prime(found.high, options)
    if low is None or high is None:
        return Interval.none("a limit of accuracy is 0 or 1, where d′ has no finite value")
    return Interval(low, high, f"{found.kind}, as d′")


def _given(trials: Trials, ratings: Ratings, level: float) -> Iterator[Estimate]:
    for name, right, words in (("right", True, "right"), ("wrong", False, "wrong")):
        kept = (trials.hit > 0.5) == right
        label = f"mean confidence in {words} answers, 1 to 5"
        quantity = ratings.quantity(f"confidence_{name}", label, "scale", level)
        yield _mean_of(trials, kept, quantity, f"no {words} answer")


def _mean_of(
    trials: Trials, kept: npt.NDArray[np.bool_], quantity: Quantity, absent: str
) -> Estimate:
    """Mean confidence of the trials `kept`, with the interval of any mean rating."""
    if not np.any(kept):
        return quantity.not_estimable(absent)
    part = trials.only(kept)
    own = part.ratings(quantity.method)
    linear = own.linear(own.values)
    interval = linear.mean_on_scale(linear.recommended, quantity.level)
    described = own.quantity(quantity.name, quantity.label, quantity.unit, quantity.level)
    return described.estimated(linear.value, interval, clustered_by=linear.recommended)


def _type_2(trials: Trials, ratings: Ratings, level: float) -> Estimate:
    """How far confidence tells right from wrong answers: the type-2 AUROC.

    The probability that a right answer was given with more confidence than a wrong one, ties
    counted half: the area under the type-2 ROC (Fleming and Lau 2014, Frontiers in Human
    Neuroscience 8, 443), pooled over listeners and features.
    """
    label = "type-2 AUROC: confidence as a sign of a right answer (0.5: none)"
    quantity = ratings.quantity("type_2_auroc", label, "none", level)
    right = int(trials.hit.sum())
    wrong = len(trials.hit) - right
    if min(right, wrong) == 0:
        return quantity.not_estimable("no wrong answer" if right else "no right answer")
    found = superiority(ratings.values, trials.hit > 0.5, ratings.participant, ratings.feature)
    # Its two sides are one method's answers, so a feature with one of each is rated repeatedly.
    linear = Linear(found.value, found.influence, ratings.participant, ratings.feature)
    interval = linear.student(linear.recommended, level, (0.0, 1.0))
    if min(right, wrong) < LEAST_OF_A_KIND:
        few = "right" if right < wrong else "wrong"
        interval = Interval.none(f"fewer than {LEAST_OF_A_KIND} {few} answers: no interval")
    return quantity.estimated(linear.value, interval, clustered_by=linear.recommended)


def describe_ranks(responses: Responses, method: str, level: float = LEVEL) -> Iterator[Estimate]:
    """Mean confidence by the method's own rank of the chosen label; ranks never chosen are absent.

    It describes who chose what; it does not say that a rank makes listeners confident.
    """
    trials = candidates(responses).of(method)
    if trials.frame.empty:
        return
    trials = trials.only(trials.chosen)
    if trials.frame.empty:
        return
    ratings, rank = trials.ratings(method), rank_of(trials.frame)
    for number in np.unique(rank).tolist()[:MOST_RANKS]:
        chosen = f"the method’s label {number}" if number else "a label from another feature"
        name = f"confidence_rank_{number}" if number else "confidence_elsewhere"
        label = f"mean confidence where {chosen} was chosen, 1 to 5"
        quantity = ratings.quantity(name, label, "scale", level)
        yield _mean_of(trials, rank == number, quantity, "never chosen")
