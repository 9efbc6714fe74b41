"""Between two methods A and B: differences, always A − B, positive where A is rated higher.

In a design between participants the two sides are independent; where participants rated both
methods, each participant is one cluster of both sides. Features that both methods share are taken
into account by `paired_difference`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from analysis.clustering import BOTH, FEATURE, PARTICIPANT, STUDENT_TWO_WAY, Linear
from analysis.errors import AnalysisError, quote
from analysis.intervals import (
    FEW_CLUSTERS,
    LEVEL,
    NO_SPREAD,
    ONE_PARTICIPANT,
    ClusterSums,
    Floats,
    Ints,
    cluster_sums,
    codes,
    multinomial_weights,
    share_interval,
    stream,
    studentised,
    studentised_roots,
    t_interval,
    two_way_variance,
)
from analysis.pigeonhole import PIGEONHOLE, pigeonhole_difference
from analysis.results import Counts, Estimate, Interval, estimate, not_estimable
from analysis.superiority import SEPARATED, brunner_munzel, placements, superiority
from analysis.table import Responses

NEWCOMBE = "Newcombe's hybrid of the two Wilson intervals, clustered by participant"


def pairs(methods: Iterable[str], compare: tuple[str, str] | None = None) -> list[tuple[str, str]]:
    """The pairs to compare: the one asked for, or all, in alphabetical order."""
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
    """The ratings of methods A and B; participants and features are numbered over both."""

    a: str
    b: str
    values: Floats
    is_a: npt.NDArray[np.bool_]
    participant: Ints
    feature: Ints
    n_participants: int
    n_features: int

    @property
    def name(self) -> str:
        """How the comparison is written."""
        return f"{self.a} − {self.b}"

    @property
    def counts(self) -> Counts:
        """Ratings, participants and features behind the comparison."""
        return Counts(len(self.values), self.n_participants, self.n_features)

    def side(self, first: bool, values: Floats) -> ClusterSums:
        """Per-participant sums of one side, over all participants of the pair."""
        mask = self.is_a if first else ~self.is_a
        return cluster_sums(values[mask], self.participant[mask], self.n_participants)

    def sides(self, values: Floats) -> tuple[ClusterSums, ClusterSums]:
        """Both sides' sums, each over its own participants alone."""
        return _occupied(self.side(True, values)), _occupied(self.side(False, values))

    def linear(self, values: Floats) -> Linear:
        """mean(A) − mean(B) of `values` [rating] with each rating's influence."""
        a, b = values[self.is_a], values[~self.is_a]
        mean_a, mean_b = float(a.mean()), float(b.mean())
        influence = np.where(self.is_a, (values - mean_a) / len(a), -(values - mean_b) / len(b))
        sides = self.is_a.astype(np.int64)
        return Linear(mean_a - mean_b, influence, self.participant, self.feature, sides)

    @property
    def crossed(self) -> bool:
        """Whether any participant rated both methods."""
        a, b = self.side(True, self.values), self.side(False, self.values)
        return bool(np.any((a.weight > 0) & (b.weight > 0)))


def _occupied(sums: ClusterSums) -> ClusterSums:
    there = sums.weight > 0
    return ClusterSums(sums.total[there], sums.weight[there])


def pair_of(responses: Responses, a: str, b: str) -> Pair:
    """The ratings of two methods."""
    frame = responses.ratings[responses.ratings["method"].isin([a, b])]
    participant, n_participants = codes(frame["participation"])
    feature, n_features = codes(frame["feature_key"])
    return Pair(
        a=a,
        b=b,
        values=frame["rating"].to_numpy(dtype=np.float64),
        is_a=(frame["method"] == a).to_numpy(dtype=bool),
        participant=participant,
        feature=feature,
        n_participants=n_participants,
        n_features=n_features,
    )


def compare(pair: Pair, *, seed: int, resamples: int, level: float = LEVEL) -> list[Estimate]:
    """Every difference and superiority of the two methods."""
    at_least_4 = (pair.values >= 4).astype(np.float64)
    equal_5 = (pair.values == 5).astype(np.float64)
    return [
        *mean_difference(pair, seed=seed, resamples=resamples, level=level),
        paired_difference(pair, level=level),
        share_difference(
            pair,
            at_least_4,
            "difference_share_at_least_4",
            "difference in the share of ratings that are 4 or 5 (≥ 4)",
            level,
        ),
        share_difference(
            pair,
            equal_5,
            "difference_share_equal_5",
            "difference in the share of ratings that are 5 (= 5)",
            level,
        ),
        *superiorities(pair, level),
    ]


def mean_difference(
    pair: Pair, *, seed: int, resamples: int, level: float = LEVEL
) -> list[Estimate]:
    """Difference of the two means over all ratings: by participant, feature, both, pigeonhole.

    By participant: studentised bootstrap, each side's participants resampled on their own;
    Student's t with Welch–Satterthwaite degrees of freedom where a side has fewer than 8
    participants. Where participants rated both methods, whole participants are resampled and the
    covariance of the sides is theirs. By feature and by both: Student's t on the clustered standard
    error; a feature that both methods share is one cluster.
    """
    linear, bounds = pair.linear(pair.values), (-4.0, 4.0)
    intervals = {
        PARTICIPANT: _by_participant(pair, seed, resamples, level),
        FEATURE: linear.student(FEATURE, level, bounds),
        BOTH: _two_sided(pair) or linear.student(BOTH, level, bounds),
        PIGEONHOLE: pigeonhole_difference(
            pair.values,
            pair.is_a.astype(np.float64),
            pair.participant,
            pair.feature,
            level=level,
            rng=stream(seed, f"pigeonhole {pair.name}"),
            resamples=resamples,
        ),
    }
    return [
        estimate(
            name="difference_mean_confidence",
            label="difference in mean confidence",
            method=pair.name,
            unit="scale",
            value=linear.value,
            interval=interval,
            level=level,
            counts=pair.counts,
            clustered_by=way,
            recommended=way == linear.recommended,
        )
        for way, interval in intervals.items()
    ]


def _two_sided(pair: Pair) -> Interval | None:
    """No interval where one side has a single participant, whatever the clustering."""
    a, b = pair.sides(pair.values)
    return Interval.none(ONE_PARTICIPANT) if min(a.n, b.n) < 2 else None


def _by_participant(pair: Pair, seed: int, resamples: int, level: float) -> Interval:
    rng = stream(seed, f"difference {pair.name}")
    if pair.crossed:
        return _joint_interval(pair, rng, resamples, level)
    return independent_interval(*pair.sides(pair.values), rng, resamples, level)


def independent_interval(
    a: ClusterSums, b: ClusterSums, rng: np.random.Generator, resamples: int, level: float
) -> Interval:
    """Interval of mean(a) − mean(b) where no participant is in both."""
    if min(a.n, b.n) < 2:
        return Interval.none(ONE_PARTICIPANT)
    variance = a.variance() + b.variance()
    if variance <= 1e-24:
        return Interval.none(NO_SPREAD)
    value, se, df = a.mean - b.mean, math.sqrt(variance), welch_df(a, b)
    if min(a.n, b.n) < FEW_CLUSTERS:
        return t_interval(value, se, df, level, (-4.0, 4.0))
    means_a, variances_a = studentised_roots(a, rng, resamples)
    means_b, variances_b = studentised_roots(b, rng, resamples)
    return studentised(
        value, se, means_a - means_b, variances_a + variances_b, df, level, (-4.0, 4.0)
    )


def welch_df(a: ClusterSums, b: ClusterSums) -> float:
    """Welch–Satterthwaite degrees of freedom of a difference of two clustered means."""
    v_a, v_b = a.variance(), b.variance()
    return float((v_a + v_b) ** 2 / (v_a**2 / (a.n - 1) + v_b**2 / (b.n - 1)))


def _joint_interval(pair: Pair, rng: np.random.Generator, resamples: int, level: float) -> Interval:
    a, b = pair.side(True, pair.values), pair.side(False, pair.values)
    if a.n < 2:
        return Interval.none(ONE_PARTICIPANT)
    terms = np.stack([a.total, a.weight, b.total, b.weight], axis=1)
    value, variance = (float(x[0]) for x in _joint_roots(terms, np.ones((1, a.n))))
    if variance <= 1e-24:
        return Interval.none(NO_SPREAD)
    if a.n < FEW_CLUSTERS:
        return t_interval(value, math.sqrt(variance), a.n - 1, level, (-4.0, 4.0))
    parts = [_joint_roots(terms, drawn) for drawn in multinomial_weights(rng, a.n, resamples)]
    means = np.concatenate([part[0] for part in parts])
    variances = np.concatenate([part[1] for part in parts])
    return studentised(value, math.sqrt(variance), means, variances, a.n - 1, level, (-4.0, 4.0))


def _joint_roots(terms: Floats, drawn: Floats) -> tuple[Floats, Floats]:
    """Differences and their variances for weights `drawn` [resample, participant].

    `terms` [participant, 4]: sum and number of ratings under A, then under B. The influence of a
    participant is linear in its terms, so that its square is a quadratic form in their products.
    A resample without one of the methods has variance 0 and is not used.
    """
    n = terms.shape[0]
    products = np.einsum("pi,pj->pij", terms, terms).reshape(n, 16)
    sums = drawn @ terms
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_a, mean_b = sums[:, 0] / sums[:, 1], sums[:, 2] / sums[:, 3]
        form = np.stack(
            [1 / sums[:, 1], -mean_a / sums[:, 1], -1 / sums[:, 3], mean_b / sums[:, 3]], axis=1
        )
    whole = np.asarray(np.isfinite(form).all(axis=1))
    form = np.where(whole[:, None], form, 0.0)
    squares = np.einsum("ri,rij,rj->r", form, (drawn @ products).reshape(-1, 4, 4), form)
    return np.where(whole, mean_a - mean_b, 0.0), np.maximum(squares, 0.0) * n / (n - 1)


def share_difference(
    pair: Pair, hits: Floats, name: str, label: str, level: float = LEVEL
) -> Estimate:
    """Difference of two shares of ratings; `hits` [rating] is 1 or 0.

    Between participants with one rating a feature: Newcombe (1998), Statistics in Medicine 17,
    873–890, method 10, from the clustered Wilson limits of each side. Else Student's t on the
    recommended clustered standard error.
    """
    linear = pair.linear(hits)
    a, b = pair.sides(hits)
    if pair.crossed or linear.repeated:
        interval = _two_sided(pair) or linear.student(linear.recommended, level, (-1.0, 1.0))
    else:
        side_a = share_interval(a.mean, a.variance(), a.weight.sum(), a.n, level=level)
        side_b = share_interval(b.mean, b.variance(), b.weight.sum(), b.n, level=level)
        interval = square_and_add(a.mean, side_a, b.mean, side_b)
    return estimate(
        name=name,
        label=label,
        method=pair.name,
        unit="share",
        value=linear.value,
        interval=interval,
        level=level,
        counts=pair.counts,
        clustered_by=linear.recommended,
    )


def superiorities(pair: Pair, level: float = LEVEL) -> list[Estimate]:
    """Probability of superiority and Cliff's delta of ratings, and of participants' means.

    Of ratings: Student's t on the recommended clustered standard error (`superiority`). Of
    participants' means (between participants alone): Brunner and Munzel's interval.
    """
    rated = superiority(pair.values, pair.is_a, pair.participant, pair.feature)
    lost = 1 if pair.crossed else 2
    over_ratings = _two_sided(pair) or rated.student(rated.recommended, level, (0.0, 1.0), lost)
    found = _theta_and_delta(pair, "ratings", rated.value, over_ratings, level)
    if not pair.crossed:
        a, b = (side.total / side.weight for side in pair.sides(pair.values))
        by_means = brunner_munzel(a, b)
        interval = (
            by_means.interval(level)
            if by_means
            else Interval.none(ONE_PARTICIPANT if min(len(a), len(b)) < 2 else SEPARATED)
        )
        theta = float(placements(a, b).mean())
        found += _theta_and_delta(pair, "participant means", theta, interval, level)
    return found


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
    return [
        estimate(
            name=f"superiority_{suffix}",
            label=f"probability of superiority, {of} (ties half)",
            method=pair.name,
            unit="share",
            value=theta,
            interval=interval,
            level=level,
            counts=pair.counts,
        ),
        estimate(
            name=f"cliffs_delta_{suffix}",
            label=f"Cliff’s delta, {of}",
            method=pair.name,
            unit="none",
            value=2 * theta - 1,
            interval=delta,
            level=level,
            counts=pair.counts,
        ),
    ]


def square_and_add(a: float, side_a: Interval, b: float, side_b: Interval) -> Interval:
    """Interval of a − b from an interval of each: the distances to the limits add as squares."""
    if side_a.low is None or side_a.high is None or side_b.low is None or side_b.high is None:
        return Interval.none(side_a.reason or side_b.reason)
    low = a - b - math.hypot(a - side_a.low, side_b.high - b)
    high = a - b + math.hypot(side_a.high - a, b - side_b.low)
    return Interval(low, high, NEWCOMBE)


def paired_difference(pair: Pair, level: float = LEVEL) -> Estimate:
    """Mean over shared features of (mean rating under A − mean rating under B).

    Takes the feature's own difficulty out of the comparison. Variance: two-way by participant and
    feature; t with min(participants, features) − 1 degrees of freedom. Needs two shared features.
    """
    name = "difference_paired_by_feature"
    label = "difference in mean confidence, paired by feature"
    shared, n_a, n_b = _shared_features(pair)
    counts = Counts(int((n_a + n_b)[shared].sum()), pair.n_participants, int(shared.sum()))
    if shared.sum() < 2:
        reason = f"features rated under both methods: {int(shared.sum())}; pairing needs two"
        return not_estimable(
            name=name,
            label=label,
            method=pair.name,
            unit="scale",
            reason=reason,
            level=level,
            counts=counts,
        )
    keep = shared[pair.feature]
    feature, participant = pair.feature[keep], codes(pair.participant[keep])[0]
    side_n = np.where(pair.is_a, n_a[pair.feature], n_b[pair.feature])[keep]
    weight = np.where(pair.is_a[keep], 1.0, -1.0) / side_n / counts.n_features
    value = float(np.sum(weight * pair.values[keep]))
    interval = _paired_interval(
        pair.values[keep], weight, participant, codes(feature)[0], value, level
    )
    n_participants = int(participant.max()) + 1
    return estimate(
        name=name,
        label=label,
        method=pair.name,
        unit="scale",
        value=value,
        interval=interval,
        level=level,
        counts=Counts(counts.n_ratings, n_participants, counts.n_features),
    )


def _shared_features(pair: Pair) -> tuple[npt.NDArray[np.bool_], Floats, Floats]:
    n_a = np.bincount(pair.feature[pair.is_a], minlength=pair.n_features).astype(np.float64)
    n_b = np.bincount(pair.feature[~pair.is_a], minlength=pair.n_features).astype(np.float64)
    return (n_a > 0) & (n_b > 0), n_a, n_b


def _paired_interval(
    values: Floats, weight: Floats, participant: Ints, feature: Ints, value: float, level: float
) -> Interval:
    clusters = min(int(participant.max()), int(feature.max())) + 1
    if clusters < 2:
        return Interval.none(ONE_PARTICIPANT)
    first = weight > 0
    centre_a = float(np.sum((values * weight)[first]) / weight[first].sum())
    centre_b = float(np.sum((values * weight)[~first]) / weight[~first].sum())
    influence = weight * (values - np.where(first, centre_a, centre_b))
    variance = two_way_variance(influence, participant, feature)
    if variance <= 1e-24:
        return Interval.none(NO_SPREAD)
    return t_interval(value, math.sqrt(variance), clusters - 1, level, (-4.0, 4.0), STUDENT_TWO_WAY)
