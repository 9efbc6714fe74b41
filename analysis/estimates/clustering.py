"""Intervals of the same number under three clusterings: by participant, by feature, and by both.

Which one is right depends on what was sampled. Listeners always were. Features were too, but a
feature that is rated once contributes its level to that one rating only, where the variance between
participants already includes it: the interval **by participant** is recommended. Features that are
rated more than once share their levels between listeners: **both** (two-way) is recommended. If two
methods are compared and each rates a shared feature once, by participant is recommended too, since
what the two sides share can only make their difference more certain. By feature only is shown for
comparison; it is right only if listeners do not differ.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special

from analysis.arrays import Floats, Ints
from analysis.estimates.ends_of_scale import independent_ratings, mean_at_end
from analysis.estimates.intervals import (
    NEGLIGIBLE,
    NO_SPREAD,
    ONE_FEATURE,
    ONE_PARTICIPANT,
    STUDENT,
    clustered_variance,
    intersections,
    student_p,
    student_quantile,
    sums_within,
    t_interval,
    two_way_variance,
)
from analysis.estimates.results import Estimate, Interval, Quantity
from analysis.estimates.shares import around_logit, of_logit, of_logit_two_way, share_interval
from analysis.reading.columns import HIGHEST, LOWEST, WIDEST

PARTICIPANT, FEATURE, BOTH = "participant", "feature", "participant and feature"
WAYS = (PARTICIPANT, FEATURE, BOTH)
STUDENT_FEATURE = "Student's t on the standard error clustered by feature"
STUDENT_TWO_WAY = "Student's t on the standard error clustered by participant and feature"
LOGIT_T = "Student's t on logit((mean − 1)/4), standard error"


@dataclass(frozen=True)
class Linear:
    """A statistic, the influence of each rating on it, and each rating's participant and feature.

    The influences are those of a mean or of the statistic's first-order linearisation; they sum to
    about 0, and their cluster-robust variance is the statistic's (`intervals`).
    """

    value: float
    influence: Floats
    """[rating]"""
    participant: Ints
    """Participant of each rating, numbered from 0."""
    feature: Ints
    """Feature of each rating, numbered from 0."""
    sides: Ints | None = None
    """In a comparison: the method of each rating, 1 for the first and 0 for the second."""

    @property
    def n_participants(self) -> int:
        """Participants behind the statistic."""
        return int(self.participant.max()) + 1

    @property
    def n_features(self) -> int:
        """Features behind the statistic."""
        return int(self.feature.max()) + 1

    @property
    def repeated(self) -> bool:
        """Whether any feature was rated more than once under one method."""
        cell = self.feature if self.sides is None else 2 * self.feature + self.sides
        return bool(np.bincount(cell).max() > 1)

    @property
    def recommended(self) -> str:
        """The clustering that is recommended."""
        return BOTH if self.repeated else PARTICIPANT

    def variance(self, clustered_by: str) -> float:
        """The statistic's variance under one kind of clustering, computed once."""
        if clustered_by not in self._variances:
            self._variances[clustered_by] = self._variance(clustered_by)
        return self._variances[clustered_by]

    @cached_property
    def _variances(self) -> dict[str, float]:
        return {}

    def _variance(self, clustered_by: str) -> float:
        if clustered_by == PARTICIPANT:
            return clustered_variance(self.influence, self.participant, self.n_participants)
        if clustered_by == FEATURE:
            return clustered_variance(self.influence, self.feature, self.n_features)
        return two_way_variance(self.influence, self.participant, self.feature)

    def covariance_of_sides(self, clustered_by: str) -> float:
        """In a comparison: the covariance of the two means, as `variance` is that of a mean.

        Σ_c a_c b_c × G/(G − 1) over clusters c, from the sums of each side's influences; two-way,
        C_first + C_second − C_both.
        """
        if clustered_by == PARTICIPANT:
            return self._covariance(self.participant, self.n_participants)
        if clustered_by == FEATURE:
            return self._covariance(self.feature, self.n_features)
        by_participant = self._covariance(self.participant, self.n_participants)
        by_feature = self._covariance(self.feature, self.n_features)
        both = self._covariance(*intersections(self.participant, self.feature))
        return by_participant + by_feature - both

    def _covariance(self, cluster: Ints, n: int) -> float:
        if n < 2 or self.sides is None:
            return 0.0
        # The second mean's influences stand with the opposite sign in those of the difference.
        a = sums_within(np.where(self.sides == 1, self.influence, 0.0), cluster, n)
        b = sums_within(np.where(self.sides == 0, -self.influence, 0.0), cluster, n)
        return float(a @ b) * n / (n - 1)

    def clusters(self, clustered_by: str) -> int:
        """The number of clusters for the degrees of freedom: by both, the smaller of the two.

        As Cameron and Miller (2015) advise for two-way clustering.
        """
        sizes = {PARTICIPANT: self.n_participants, FEATURE: self.n_features}
        return sizes.get(clustered_by, min(sizes.values()))

    def student(
        self, clustered_by: str, level: float, bounds: tuple[float, float], lost: int = 1
    ) -> Interval:
        """Student's t on the clustered standard error; clusters − `lost` degrees of freedom."""
        clusters = self.clusters(clustered_by)
        if clusters - lost < 1:
            return Interval.none(self.too_few(clustered_by, lost))
        variance = self.variance(clustered_by)
        if variance <= NEGLIGIBLE:
            return Interval.none(NO_SPREAD)
        kind = {PARTICIPANT: STUDENT, FEATURE: STUDENT_FEATURE}.get(clustered_by, STUDENT_TWO_WAY)
        return t_interval(self.value, math.sqrt(variance), clusters - lost, level, bounds, kind)

    def mean_on_scale(self, clustered_by: str, level: float) -> Interval:
        """Interval of a mean rating m: Student's t on logit((m − 1)/4), transformed back.

        With p = (m − 1)/4, by the delta method se(logit p) = se(m) / (4 p (1 − p)). Near an end of
        the scale the mean's distribution is skewed towards the middle, and so is this interval:
        with 10 listeners × 10 features at the floor it covers 95.3 % where m ± t se covers 90.2 %.
        Where all ratings are at one end: `ends_of_scale`.
        """
        # 1) Is there anything to compute an interval with?
        clusters = self.clusters(clustered_by)
        if clusters < 2:
            return Interval.none(self.too_few(clustered_by))
        if self.value in (LOWEST, HIGHEST):
            return mean_at_end(int(self.value), self._independent(clustered_by), level)
        variance = self.variance(clustered_by)
        if variance <= NEGLIGIBLE:
            return Interval.none(NO_SPREAD)
        # 2) Half the width on the logit scale, and back.
        p = (self.value - LOWEST) / WIDEST
        se = math.sqrt(variance) / (WIDEST * p * (1 - p))
        half = student_quantile(level, clusters - 1) * se
        low, high = special.expit(special.logit(p) + half * np.array([-1.0, 1.0]))
        kind = f"{LOGIT_T} clustered by {clustered_by}"
        return Interval(LOWEST + WIDEST * float(low), LOWEST + WIDEST * float(high), kind)

    def _independent(self, clustered_by: str) -> int:
        """The number of independent ratings under one kind of clustering."""
        if clustered_by == BOTH:
            return independent_ratings(self.participant, self.feature)
        return self.clusters(clustered_by)

    def share(self, clustered_by: str, n: float, level: float) -> Interval:
        """Interval of a share of `n` units (`shares.share_interval`)."""
        clusters = self.clusters(clustered_by)
        if clusters < 2:
            return Interval.none(self.too_few(clustered_by))
        variance = self._logit_variance(clustered_by) if 0 < self.value < 1 else 0.0
        return share_interval(self.value, variance, n, clusters, level=level, by=clustered_by)

    def share_logit_variance(self, clustered_by: str, n: float) -> float:
        """The variance of logit(share) that `share` takes: at least that of n independent units."""
        least = 1 / (n * self.value * (1 - self.value))
        return max(self._logit_variance(clustered_by), least)

    def on_logit(self, clustered_by: str, level: float) -> Interval:
        """Interval of a mean of numbers from 0 to 1, or the like: Student's t on its logit.

        As that of a share, but its variance is not at least a binomial one.
        """
        clusters = self.clusters(clustered_by)
        if clusters < 2:
            return Interval.none(self.too_few(clustered_by))
        if not 0 < self.value < 1 or self.variance(clustered_by) <= NEGLIGIBLE:
            return Interval.none(NO_SPREAD)
        quantile = student_quantile(level, clusters - 1)
        half = quantile * math.sqrt(self._logit_variance(clustered_by))
        return around_logit(self.value, half, clustered_by)

    def _logit_variance(self, clustered_by: str) -> float:
        """The variance of logit(value): the jackknife's, and at least the linearised one."""
        if clustered_by == BOTH:
            own = of_logit_two_way(self.value, self.influence, self.participant, self.feature)
        else:
            unit = self.participant if clustered_by == PARTICIPANT else self.feature
            own = of_logit(self.value, self.influence, unit)
        return max(own, self.variance(clustered_by) / (self.value * (1 - self.value)) ** 2)

    def too_few(self, clustered_by: str, lost: int = 1) -> str:
        """Why there are too few clusters: one participant, one feature, or no degree of freedom."""
        if clustered_by != FEATURE and self.n_participants < 2:
            return ONE_PARTICIPANT
        if clustered_by != PARTICIPANT and self.n_features < 2:
            return ONE_FEATURE
        clusters = self.clusters(clustered_by)
        return f"{clusters} clusters leave no degree of freedom where {lost} are used up"

    def p_value(
        self, clustered_by: str, df: float, null: float = 0.0
    ) -> tuple[float, float] | None:
        """t = (value − `null`) / standard error, and its two-sided p-value; None without spread."""
        variance = self.variance(clustered_by)
        if variance <= NEGLIGIBLE or df < 1:
            return None
        t = (self.value - null) / math.sqrt(variance)
        return t, student_p(t, df)


def clusterings(ways: Sequence[str]) -> list[str]:
    """Those of `ways` that are clusterings, which every statistic has."""
    return [way for way in WAYS if way in ways]


def each_way(
    linear: Linear,
    intervals: Mapping[str, Interval],
    quantity: Quantity,
    *,
    count: int | None = None,
    of: int | None = None,
) -> list[Estimate]:
    """One estimate per way of clustering in `intervals`, with the recommended one marked."""
    return [
        quantity.estimated(
            linear.value,
            interval,
            count=count,
            of=of,
            clustered_by=way,
            recommended=way == linear.recommended,
        )
        for way, interval in intervals.items()
    ]
