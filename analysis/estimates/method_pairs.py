"""The ratings of two methods, with participants and features numbered across both.

Also their difference on the features that both of them have (`paired`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.arrays import Floats, Ints
from analysis.errors import AnalysisError, quote
from analysis.estimates.clustering import BOTH, FEATURE, PARTICIPANT, Linear
from analysis.estimates.ends_of_scale import end_of, independent_ratings
from analysis.estimates.intervals import (
    DIFFERENCE_BOUNDS,
    LEVEL,
    NEGLIGIBLE,
    NO_SPREAD,
    ONE_FEATURE,
    ONE_PARTICIPANT,
    ClusterSums,
    cluster_sums,
    codes,
    numbered,
    welch_df,
)
from analysis.estimates.results import Counts, Estimate, Interval, Quantity
from analysis.estimates.strata import comparable, stratum_of, weights
from analysis.estimates.validity import Design
from analysis.reading.table import Responses


def pairs(methods: Iterable[str], compare: tuple[str, str] | None = None) -> list[tuple[str, str]]:
    """The pairs to compare: only `compare`, or else all, in alphabetical order."""
    known = sorted(methods)
    if compare is None:
        return list(combinations(known, 2))
    for method in compare:
        if method not in known:
            listed = ", ".join(known)
            raise AnalysisError(f"no ratings of method {quote(method)}; there are: {listed}")
    if compare[0] == compare[1]:
        raise AnalysisError(f"method {quote(compare[0])} cannot be compared with itself")
    return [compare]


@dataclass(frozen=True)
class Pair:
    """The ratings of methods A and B; `values`, `is_a`, `participant`, `feature` are [rating].

    Participants and features are numbered from 0 across both methods. With several studies or
    versions, `stratum` has the number of each rating's, and both methods have ratings in each.
    """

    a: str
    b: str
    values: Floats
    is_a: npt.NDArray[np.bool_]
    participant: Ints
    feature: Ints
    n_participants: int
    n_features: int
    stratum: Ints | None = None

    @property
    def name(self) -> str:
        """The comparison as it is written: "A − B"."""
        return f"{self.a} − {self.b}"

    @property
    def counts(self) -> Counts:
        """Ratings, participants and features behind the comparison."""
        return Counts(len(self.values), self.n_participants, self.n_features)

    def quantity(self, name: str, label: str, unit: str, level: float) -> Quantity:
        """A quantity of this comparison."""
        return Quantity(name, label, unit, self.name, self.counts, level)

    def side(self, first: bool, values: Floats) -> ClusterSums:
        """Per-participant sums of one side; participants without a rating there have weight 0."""
        mask = self.is_a if first else ~self.is_a
        return cluster_sums(values[mask], self.participant[mask], self.n_participants)

    def sides(self, values: Floats) -> tuple[ClusterSums, ClusterSums]:
        """Both sides' sums, each with only the participants who have ratings there."""
        return _occupied(self.side(True, values)), _occupied(self.side(False, values))

    def linear(self, values: Floats) -> Linear:
        """mean(A) − mean(B) of `values` v [rating], with influences ±(v − mean of its side) / n.

        With several strata within them (`strata`).
        """
        sides = self.is_a.astype(np.int64)
        if self.stratum is not None:
            means, influence = self._within_strata(values, self.stratum)
            signed = np.where(self.is_a, influence, -influence)
            return Linear(means[1] - means[0], signed, self.participant, self.feature, sides)
        a, b = values[self.is_a], values[~self.is_a]
        mean_a, mean_b = float(a.mean()), float(b.mean())
        influence = np.where(self.is_a, (values - mean_a) / len(a), -(values - mean_b) / len(b))
        return Linear(mean_a - mean_b, influence, self.participant, self.feature, sides)

    def one_side(self, first: bool, values: Floats) -> Linear:
        """The mean of one side's `values` v [rating] on its own, with influences (v − mean) / n."""
        side = self.is_a if first else ~self.is_a
        participant, feature = numbered(self.participant[side])[0], numbered(self.feature[side])[0]
        if self.stratum is not None:
            means, influence = self._within_strata(values, self.stratum)
            return Linear(means[int(first)], influence[side], participant, feature)
        own, mean = values[side], float(values[side].mean())
        return Linear(mean, (own - mean) / len(own), participant, feature)

    def _within_strata(self, values: Floats, stratum: Ints) -> tuple[tuple[float, float], Floats]:
        """The means of B and of A standardised to the strata's weights, and influences [rating]."""
        w, cell = weights(stratum, self.is_a), 2 * stratum + self.is_a
        n = np.bincount(cell, minlength=2 * len(w))
        mean = np.bincount(cell, weights=values, minlength=2 * len(w)) / n
        b, a = (float(w @ mean[side::2]) for side in (0, 1))
        return (b, a), w[stratum] / n[cell] * (values - mean[cell])

    @property
    def lost(self) -> int:
        """Degrees of freedom that a difference uses up: one, or those of each stratum's means."""
        if self.stratum is None:
            return 1
        return (int(self.stratum.max()) + 1) * (1 if self.crossed else 2)

    def flat(self, values: Floats) -> bool:
        """Whether `values` [rating] are all the same on each side."""
        return all(np.ptp(values[side]) == 0 for side in (self.is_a, ~self.is_a))

    @property
    def too_few(self) -> Interval | None:
        """Why there is no interval, if a side has a single participant; None otherwise."""
        a, b = self.sides(self.values)
        return Interval.none(ONE_PARTICIPANT) if min(a.n, b.n) < 2 else None

    @property
    def n_rated_both(self) -> int:
        """Participants who rated both methods."""
        a, b = self.side(True, self.values), self.side(False, self.values)
        return int(np.sum((a.weight > 0) & (b.weight > 0)))

    @property
    def crossed(self) -> bool:
        """Whether any participant rated both methods."""
        return self.n_rated_both > 0

    @property
    def design(self) -> Design:
        """What decides which tests and intervals hold (`validity`)."""
        linear = self.linear(self.values)
        return Design(
            repeated=linear.repeated,
            n_participants=self.n_participants,
            n_rated_both=self.n_rated_both,
            strata=1 if self.stratum is None else int(self.stratum.max()) + 1,
        )

    def standard_error(self, way: str) -> tuple[float, float] | None:
        """The standard error of the difference in means, and its degrees of freedom.

        By participant, if each participant rated one method: the sum of the two sides' variances,
        with Welch–Satterthwaite degrees of freedom. Otherwise, and with several strata, the
        clustered variance of the difference, with clusters − `lost`. None without spread, or with
        too few clusters (`no_error` says which).
        """
        if self.too_few_for(way):
            return None
        if way == PARTICIPANT and not self.crossed and self.stratum is None:
            a, b = self.sides(self.values)
            variance = a.variance() + b.variance()
            if variance <= NEGLIGIBLE:
                return None
            return float(np.sqrt(variance)), welch_df(a.variance(), a.n, b.variance(), b.n)
        linear = self.linear(self.values)
        variance = linear.variance(way)
        df = float(linear.clusters(way) - self.lost)
        return (float(np.sqrt(variance)), df) if variance > NEGLIGIBLE and df > 0 else None

    def too_few_for(self, way: str) -> str:
        """Which of participants and features is too few to cluster by; empty if neither is."""
        if way != FEATURE and self.too_few:
            return ONE_PARTICIPANT
        return ONE_FEATURE if way != PARTICIPANT and self.n_features < 2 else ""

    def no_error(self, way: str) -> str:
        """Why there is no standard error of the difference in means."""
        if few := self.too_few_for(way):
            return few
        linear = self.linear(self.values)
        if linear.clusters(way) <= self.lost:
            return linear.too_few(way, self.lost)
        a, b = self.values[self.is_a], self.values[~self.is_a]
        if self.flat(self.values):
            return (
                f"every rating of {self.a} is {a[0]:g} and every rating of {self.b} is {b[0]:g}: "
                "there is no variance to estimate"
            )
        return NO_SPREAD

    def at_ends(self, way: str) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """Where each side's ratings are all at one end of the scale: the ends, and each side's
        number of independent ratings (`ends_of_scale`)."""
        sides = self.is_a, ~self.is_a
        a, b = (end_of(self.values[side]) for side in sides)
        if a is None or b is None or self.too_few_for(way):
            return None
        n = [self._independent(side, way) for side in sides]
        return (a, b), (n[0], n[1])

    def _independent(self, side: npt.NDArray[np.bool_], way: str) -> int:
        participant, feature = self.participant[side], self.feature[side]
        if way == BOTH:
            return independent_ratings(participant, feature)
        return independent_ratings(participant if way == PARTICIPANT else feature, None)


def _occupied(sums: ClusterSums) -> ClusterSums:
    there = sums.weight > 0
    return ClusterSums(sums.total[there], sums.weight[there])


def pair_of(responses: Responses, a: str, b: str) -> Pair:
    """The ratings of two methods, in the studies and versions that have both."""
    frame = responses.ratings[responses.ratings["method"].isin([a, b])]
    return pair_from(frame, a, b, frame["rating"].to_numpy(dtype=np.float64))


def pair_from(frame: pd.DataFrame, a: str, b: str, values: Floats) -> Pair:
    """Any `values` [row] of two methods' rows in a table of ratings, as `pair_of`."""
    keep = comparable(frame, a, b).to_numpy(dtype=bool)
    frame, values = frame[keep], values[keep]
    participant, n_participants = codes(frame["participation"])
    feature, n_features = codes(frame["feature_key"])
    return Pair(
        a=a,
        b=b,
        values=values,
        is_a=(frame["method"] == a).to_numpy(dtype=bool),
        participant=participant,
        feature=feature,
        n_participants=n_participants,
        n_features=n_features,
        stratum=stratum_of(frame),
    )


def paired(pair: Pair) -> Linear | None:
    """Mean over shared features of (mean rating under A − mean rating under B), with influences.

    It removes the features' difficulty from the comparison: within a feature the influences of the
    two sides have opposite signs. Every shared feature has the same weight, whatever the number of
    its ratings. With several studies or versions a feature is paired within each of them. None with
    fewer than two shared features.
    """
    # 1) The shared features, and the ratings [rating] on them.
    stratum = 0 if pair.stratum is None else pair.stratum
    cells, cell = np.unique(stratum * pair.n_features + pair.feature, return_inverse=True)
    n_cells = len(cells)
    n_a = np.bincount(cell[pair.is_a], minlength=n_cells)
    n_b = np.bincount(cell[~pair.is_a], minlength=n_cells)
    shared = (n_a > 0) & (n_b > 0)
    if shared.sum() < 2:
        return None
    keep = shared[cell]
    values, first = pair.values[keep], pair.is_a[keep]
    # 2) A rating's weight: 1 / (ratings of its feature under its method × shared features).
    rated = np.where(pair.is_a, n_a[cell], n_b[cell])[keep]
    weight = 1.0 / rated / shared.sum()
    # 3) The two weighted means, and each rating's influence on their difference.
    mean_a, mean_b = (float(np.sum((values * weight)[side])) for side in (first, ~first))
    influence = weight * np.where(first, values - mean_a, mean_b - values)
    participant, feature = numbered(pair.participant[keep])[0], numbered(pair.feature[keep])[0]
    return Linear(mean_a - mean_b, influence, participant, feature, first.astype(np.int64))


def paired_difference(
    pair: Pair,
    level: float = LEVEL,
    *,
    name: str = "difference_paired_by_feature",
    label: str = "difference in mean confidence, paired by feature",
    unit: str = "scale",
    bounds: tuple[float, float] = DIFFERENCE_BOUNDS,
) -> Estimate:
    """`paired` as an estimate: Student's t on the two-way standard error, cut at `bounds`.

    Degrees of freedom: the smaller of the numbers of participants and of features, minus one.
    """
    linear = paired(pair)
    quantity = pair.quantity(name, label, unit, level)
    if linear is None:
        return quantity.not_estimable(
            "fewer than two features were rated under both methods; pairing needs two"
        )
    counts = Counts(len(linear.influence), linear.n_participants, linear.n_features)
    interval = linear.student(BOTH, level, bounds)
    return dataclasses.replace(quantity, counts=counts).estimated(
        linear.value, interval, clustered_by=BOTH
    )
