"""Probability of superiority: how often a rating of A is above one of B, ties counted half.

θ = P(A > B) + P(A = B)/2, the Mann–Whitney statistic over n_A n_B; Cliff's delta is 2θ − 1 (Cliff
1993, Psychological Bulletin 114, 494–509). It uses only the order of the scale. It is computed on
ratings, with clustered variances, and on participants' means, one number per participant, with the
standard error and degrees of freedom of Brunner and Munzel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.arrays import Floats, Ints
from analysis.estimates.clustering import Linear
from analysis.estimates.intervals import (
    LEVEL,
    NEGLIGIBLE,
    NO_SPREAD,
    ONE_PARTICIPANT,
    student_p,
    t_interval,
    welch_df,
)
from analysis.estimates.method_pairs import Pair
from analysis.estimates.results import Estimate, Interval
from analysis.estimates.strata import weights
from analysis.estimates.validity import reason_against

BRUNNER_MUNZEL = "Brunner and Munzel's t"
SEPARATED = (
    "total separation: every value of one side is above every value of the other, which leaves no "
    "variance to estimate"
)


def superiority(
    values: Floats, is_a: npt.NDArray[np.bool_], participant: Ints, feature: Ints
) -> Linear:
    """θ of the ratings, with influences from each rating's placement among the other side's.

    The placement is the share of the other side's ratings below it, ties counted half. Its distance
    from the mean placement, over the number of ratings on its side, is the rating's influence
    (Hoeffding's projection of the U-statistic; the structural components of DeLong, DeLong and
    Clarke-Pearson 1988, Biometrics 44, 837–845). Summing them within clusters gives the variance
    for clustered data, as in Obuchowski (1997), Biometrics 53, 567–578.
    """
    # 1) Placements [rating of A] and [rating of B]; their means are θ and 1 − θ.
    a, b = values[is_a], values[~is_a]
    wins, losses = placements(a, b), placements(b, a)
    theta = float(wins.mean())
    # 2) Influences, [rating]; a high rating of B lowers θ.
    influence = np.empty(len(values))
    influence[is_a] = (wins - theta) / len(a)
    influence[~is_a] = -(losses - (1 - theta)) / len(b)
    return Linear(theta, influence, participant, feature, is_a.astype(np.int64))


def superiority_of(pair: Pair) -> Linear:
    """`superiority` of a comparison; with several strata Σ w_s θ_s (`strata`)."""
    if pair.stratum is None:
        return superiority(pair.values, pair.is_a, pair.participant, pair.feature)
    theta, influence = 0.0, np.zeros(len(pair.values))
    for number, weight in enumerate(weights(pair.stratum, pair.is_a)):
        own = pair.stratum == number
        one = superiority(
            pair.values[own], pair.is_a[own], pair.participant[own], pair.feature[own]
        )
        theta += weight * one.value
        influence[own] = weight * one.influence
    sides = pair.is_a.astype(np.int64)
    return Linear(float(theta), influence, pair.participant, pair.feature, sides)


def placements(values: Floats, others: Floats) -> Floats:
    """For each of `values` the share of `others` below it, ties counted half, [value]."""
    ranked = np.sort(others)
    below = np.searchsorted(ranked, values, side="left")
    up_to = np.searchsorted(ranked, values, side="right")
    return np.asarray((below + up_to) / (2 * len(others)), dtype=np.float64)


@dataclass(frozen=True)
class BrunnerMunzel:
    """θ with its standard error and degrees of freedom, for the test against ½."""

    theta: float
    se: float
    df: float

    @property
    def statistic(self) -> float:
        """(θ − ½) / standard error."""
        return (self.theta - 0.5) / self.se

    @property
    def p(self) -> float:
        """Two-sided p-value by Student's t."""
        return student_p(self.statistic, self.df)

    def interval(self, level: float) -> Interval:
        """θ ± t × standard error, cut at 0 and 1."""
        return t_interval(self.theta, self.se, self.df, level, (0.0, 1.0), BRUNNER_MUNZEL)


def brunner_munzel(a: Floats, b: Floats) -> BrunnerMunzel | None:
    """Brunner and Munzel (2000), Biometrical Journal 42, 17–25, for independent values.

    Tests θ = ½ without assuming equal spread. Their variance is written with ranks; the sample
    variances of the placements, divided by n, are the same. Degrees of freedom: Satterthwaite's.
    None with fewer than two values on a side, or without variance (complete separation, or all
    values the same).
    """
    if min(len(a), len(b)) < 2:
        return None
    wins, losses = placements(a, b), placements(b, a)
    v_a, v_b = wins.var(ddof=1) / len(a), losses.var(ddof=1) / len(b)
    if v_a + v_b <= NEGLIGIBLE:
        return None
    df = welch_df(v_a, len(a), v_b, len(b))
    return BrunnerMunzel(float(wins.mean()), math.sqrt(v_a + v_b), df)


def why_no_brunner_munzel(a: Floats, b: Floats) -> str:
    """Why `brunner_munzel` gave None."""
    if min(len(a), len(b)) < 2:
        return ONE_PARTICIPANT
    return no_variance(float(placements(a, b).mean()), np.concatenate([a, b]))


def lost_by(pair: Pair) -> int:
    """Degrees of freedom that a probability of superiority uses up."""
    return pair.lost if pair.crossed or pair.stratum is not None else 2


def superiorities(pair: Pair, level: float = LEVEL) -> list[Estimate]:
    """Probability of superiority and Cliff's delta, of ratings and of participants' means.

    Of ratings: Student's t on the recommended clustered standard error (`superiority`), with one
    degree of freedom fewer if the two sides have different participants. Of participants' means,
    only if no participant rated both methods: Brunner and Munzel's interval, in designs in which it
    holds (`validity`).
    """
    rated = superiority_of(pair)
    over_ratings = pair.too_few or rated.student(
        rated.recommended, level, (0.0, 1.0), lost_by(pair)
    )
    if over_ratings.reason == NO_SPREAD:
        over_ratings = Interval.none(no_variance(rated.value, pair.values))
    found = _theta_and_delta(pair, "ratings", rated.value, over_ratings, level)
    if not pair.crossed and pair.stratum is None:
        a, b = (side.total / side.weight for side in pair.sides(pair.values))
        theta, interval = float(placements(a, b).mean()), _of_means(pair, a, b, level)
        found += _theta_and_delta(pair, "participant means", theta, interval, level)
    return found


def _of_means(pair: Pair, a: Floats, b: Floats, level: float) -> Interval:
    if reason := reason_against("superiority_participant_means", pair.design):
        return Interval.none(reason)
    found = brunner_munzel(a, b)
    if found is None:
        return Interval.none(why_no_brunner_munzel(a, b))
    return found.interval(level)


def no_variance(theta: float, values: Floats) -> str:
    """Why a probability of superiority of `values` (both sides') has no variance."""
    if theta in (0, 1):
        return SEPARATED
    return "every value is the same: no variance to estimate" if np.ptp(values) == 0 else NO_SPREAD


def _theta_and_delta(
    pair: Pair, of: str, theta: float, interval: Interval, level: float
) -> list[Estimate]:
    delta = Interval(
        None if interval.low is None else 2 * interval.low - 1,
        None if interval.high is None else 2 * interval.high - 1,
        interval.kind,
        interval.reason,
    )
    suffix = of.replace(" ", "_")
    label = f"probability of superiority, {of} (ties half)"
    return [
        pair.quantity(f"superiority_{suffix}", label, "share", level).estimated(theta, interval),
        pair.quantity(f"cliffs_delta_{suffix}", f"Cliff’s delta, {of}", "none", level).estimated(
            2 * theta - 1, delta
        ),
    ]
