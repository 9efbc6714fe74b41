"""The same number under three kinds of clustering: by participant, by feature, and by both.

Which one is right follows from what was sampled. Listeners always are. Features are too, but where
each is rated once, its own level is one rating's noise and is inside the participants' variance; so
the interval **by participant** is recommended there. Where features are rated more than once their
levels are shared between listeners, and **both** (two-way) is recommended. A comparison of methods
that rate each shared feature once goes by participant too: what features share there only makes the
difference more certain. By feature alone is shown, and is right only if listeners do not differ.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.arrays import Floats, Ints
from analysis.estimates.intervals import (
    NEGLIGIBLE,
    NO_SPREAD,
    ONE_PARTICIPANT,
    STUDENT,
    WILSON_CLUSTERED,
    WILSON_TWO_WAY,
    clustered_variance,
    share_interval,
    t_interval,
    two_way_variance,
)
from analysis.estimates.results import Counts, Estimate, Interval, estimate

PARTICIPANT, FEATURE, BOTH = "participant", "feature", "participant and feature"
STUDENT_FEATURE = "Student's t on the standard error clustered by feature"
STUDENT_TWO_WAY = "Student's t on the standard error clustered by participant and feature"
WILSON_FEATURE = "Wilson on the effective number of ratings, clustered by feature"


@dataclass(frozen=True)
class Linear:
    """A statistic with the influence of each rating on it, and who gave it on what."""

    value: float
    influence: Floats
    participant: Ints
    feature: Ints
    sides: Ints | None = None
    """Of a comparison: which method each rating belongs to."""

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
        """The statistic's variance under one kind of clustering."""
        if clustered_by == PARTICIPANT:
            return clustered_variance(self.influence, self.participant, self.n_participants)
        if clustered_by == FEATURE:
            return clustered_variance(self.influence, self.feature, self.n_features)
        return two_way_variance(self.influence, self.participant, self.feature)

    def clusters(self, clustered_by: str) -> int:
        """The number of clusters that limits the degrees of freedom."""
        sizes = {PARTICIPANT: self.n_participants, FEATURE: self.n_features}
        return sizes.get(clustered_by, min(sizes.values()))

    def student(
        self, clustered_by: str, level: float, bounds: tuple[float, float], lost: int = 1
    ) -> Interval:
        """Student's t with clusters − `lost` degrees of freedom."""
        clusters = self.clusters(clustered_by)
        if clusters - lost < 1:
            return Interval.none(_too_few(clustered_by))
        variance = self.variance(clustered_by)
        if variance <= NEGLIGIBLE:
            return Interval.none(NO_SPREAD)
        kind = {PARTICIPANT: STUDENT, FEATURE: STUDENT_FEATURE}.get(clustered_by, STUDENT_TWO_WAY)
        return t_interval(self.value, math.sqrt(variance), clusters - lost, level, bounds, kind)

    def wilson(self, clustered_by: str, n: float, level: float) -> Interval:
        """Wilson's interval for a share of `n` units (`intervals.share_interval`)."""
        clusters = self.clusters(clustered_by)
        if clusters < 2:
            return Interval.none(_too_few(clustered_by))
        kind = {PARTICIPANT: WILSON_CLUSTERED, FEATURE: WILSON_FEATURE}.get(
            clustered_by, WILSON_TWO_WAY
        )
        variance = self.variance(clustered_by)
        return share_interval(self.value, variance, n, clusters, level=level, kind=kind)

    def p_value(
        self, clustered_by: str, df: float, null: float = 0.0
    ) -> tuple[float, float] | None:
        """t against `null` and its two-sided p-value; None without spread."""
        variance = self.variance(clustered_by)
        if variance <= NEGLIGIBLE or df < 1:
            return None
        t = (self.value - null) / math.sqrt(variance)
        return t, float(2 * stats.t.sf(abs(t), df))


def each_way(
    linear: Linear,
    intervals: Mapping[str, Interval],
    *,
    name: str,
    label: str,
    method: str,
    unit: str,
    level: float,
    counts: Counts,
    count: int | None = None,
    of: int | None = None,
) -> list[Estimate]:
    """One estimate for each way of clustering in `intervals`, the recommended one marked."""
    return [
        estimate(
            name=name,
            label=label,
            method=method,
            unit=unit,
            value=linear.value,
            interval=interval,
            level=level,
            counts=counts,
            count=count,
            of=of,
            clustered_by=way,
            recommended=way == linear.recommended,
        )
        for way, interval in intervals.items()
    ]


def _too_few(clustered_by: str) -> str:
    if clustered_by == FEATURE:
        return "too few features for an interval by feature"
    return ONE_PARTICIPANT if clustered_by == PARTICIPANT else "too few participants or features"
