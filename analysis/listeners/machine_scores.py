"""Machine scores of labels compared with the listeners' answers, per method.

- With confidence: Spearman's correlation between the score of the chosen label and the listener's
  confidence in it, uncorrected and corrected for the listeners' noise.
- With the choice: how often the chosen label's score is above that of another option.
- The method's own confidence: `calibration`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from scipy import stats

from analysis.arrays import Floats, Ints
from analysis.estimates.clustering import Linear
from analysis.estimates.descriptives import Ratings, ratings_of
from analysis.estimates.intervals import LEVEL, NEGLIGIBLE, NO_SPREAD, stream, student_quantile
from analysis.estimates.results import Estimate, Interval, Quantity
from analysis.estimates.validity import SPEARMAN, Design, reason_against
from analysis.listeners.agreement import agree, icc_oneway
from analysis.listeners.calibration import own_confidence
from analysis.listeners.confidence_agreement import by_value
from analysis.reading.columns import whole
from analysis.reading.labels import Key, Labels, lookup
from analysis.reading.table import Responses


@dataclass(frozen=True)
class Points:
    """One score of one method, and confidence: means of both, [feature]."""

    method: str
    score: Floats
    confidence: Floats


def score_points(responses: Responses, scores: Labels | None) -> dict[str, list[Points]]:
    """Each score to its `Points` per method: feature means of the chosen labels' scores."""
    found: dict[str, list[Points]] = {}
    if scores is None or not responses.has("chosen_rank"):
        return found
    for name in scores.names:
        for method in responses.methods:
            frame = responses.of(method)
            frame = frame.assign(rank_number=frame["chosen_rank"].map(whole))
            value = lookup(frame, scores.by_name[name], method, "rank_number")
            known = frame.assign(value=value)[np.isfinite(value)]
            if len(known):
                means = known.groupby("feature_key", sort=True)[["value", "rating"]].mean()
                found.setdefault(name, []).append(
                    Points(method, means["value"].to_numpy(), means["rating"].to_numpy())
                )
    return found


def describe_scores(
    responses: Responses,
    scores: Labels | None,
    method: str,
    *,
    seed: int,
    resamples: int,
    level: float = LEVEL,
) -> list[Estimate]:
    """Every estimate of one method's scores; empty without scores or chosen ranks."""
    if scores is None or not responses.has("chosen_rank"):
        return []
    frame = responses.of(method)
    frame = frame.assign(rank_number=frame["chosen_rank"].map(whole))
    found: list[Estimate] = []
    for name in scores.names:
        values = scores.by_name[name]
        found += _against_confidence(frame, values, method, name, seed, level)
        found += _against_choice(frame, values, method, name, level)
    found += own_confidence(frame, scores, method, seed, level)
    return found


def _against_confidence(
    frame: pd.DataFrame,
    values: Mapping[Key, float],
    method: str,
    name: str,
    seed: int,
    level: float,
) -> Iterator[Estimate]:
    score = lookup(frame, values, method, "rank_number")
    kept = frame[np.isfinite(score)]
    if kept.empty:
        return
    ratings = ratings_of(kept, method)
    label = f"Spearman’s correlation of {name} of the chosen label and confidence in it"
    plain = ratings.quantity(f"spearman_{name}_confidence", label, "none", level)
    rank = kept["rank_number"].to_numpy(dtype=np.int64)
    rng = stream(seed, f"reliability {name} {method}")
    yield from correlation(plain, score[np.isfinite(score)], ratings, rank, rng)


def correlation(
    quantity: Quantity, score: Floats, ratings: Ratings, judged: Ints, rng: np.random.Generator
) -> Iterator[Estimate]:
    """Spearman's correlation of a score and `ratings.values`, plain and corrected for their noise.

    `judged` [rating] tells apart what was judged within a feature, whose ratings are repeated.
    """
    linear = spearman(score, ratings)
    if linear is None:
        yield quantity.not_estimable("the score or the answers are the same everywhere")
        return
    interval = _fisher(linear, quantity.level)
    yield quantity.estimated(linear.value, interval)
    reliability = _icc_of_a_rating(ratings, judged, rng)
    corrected = dataclasses.replace(
        quantity,
        name=f"{quantity.name}_corrected",
        label=f"{quantity.label}, corrected for the listeners’ noise",
    )
    yield _disattenuated(corrected, linear.value, interval, reliability)


def _disattenuated(
    quantity: Quantity, r: float, interval: Interval, reliability: float | None
) -> Estimate:
    """r / √reliability of the ratings, with the score taken as exact.

    Spearman (1904), American J. of Psychology 15, 72–101. The reliability is that between the
    labels that were rated, each label of a feature on its own: between features it would count
    differences between a feature's labels as noise, and correct too much (a true correlation of
    .38 came out as .51 where listeners chose among five labels at random; so it is .39).
    Deviations: the interval takes the reliability as known, and value and limits are cut at ±1.
    """
    if reliability is None:
        return quantity.not_estimable(
            "the reliability of a rating (ICC between chosen labels) cannot be told from 0 here"
        )
    scale = math.sqrt(reliability)
    if interval.low is None or interval.high is None:
        stretched = Interval.none(interval.reason)
    else:
        kind = f"{interval.kind}, reliability {reliability:.3f} taken as known"
        low, high = max(-1.0, interval.low / scale), min(1.0, interval.high / scale)
        stretched = Interval(low, high, kind)
    return quantity.estimated(max(-1.0, min(1.0, r / scale)), stretched)


def spearman(score: Floats, ratings: Ratings) -> Linear | None:
    """Spearman's correlation of `score` [rating] and the ratings; None if either has no spread.

    It is Pearson's correlation r of the mid-ranks. With z the standardised ranks, a rating's
    influence is that of Pearson's r, (z_x z_y − r (z_x² + z_y²)/2) / n. Deviation: the ranks count
    as given, although each depends on all ratings.
    """
    if np.ptp(score) == 0 or np.ptp(ratings.values) == 0:
        return None
    x, y = stats.rankdata(score), stats.rankdata(ratings.values)
    x, y = (x - x.mean()) / x.std(), (y - y.mean()) / y.std()
    r = float(np.mean(x * y))
    influence = (x * y - r * (x**2 + y**2) / 2) / len(x)
    return Linear(r, influence, ratings.participant, ratings.feature)


def _fisher(linear: Linear, level: float) -> Interval:
    """Student's t on Fisher's z = artanh r (1921), with the recommended clustered standard error.

    By the delta method se(z) = se(r) / (1 − r²). Deviation: that replaces Fisher's 1 / √(n − 3),
    which assumes independent ratings.
    """
    way = linear.recommended
    if few := reason_against(SPEARMAN, Design(linear.repeated, n_features=linear.n_features)):
        return Interval.none(few)
    if linear.clusters(way) < 3:
        return Interval.none("fewer than three participants")
    variance = linear.variance(way)
    if variance <= NEGLIGIBLE:
        return Interval.none(NO_SPREAD)
    r = min(max(linear.value, -0.999999), 0.999999)
    se = math.sqrt(variance) / (1 - r * r)
    half = student_quantile(level, linear.clusters(way) - 1) * se
    z = math.atanh(r)
    return Interval(
        math.tanh(z - half), math.tanh(z + half), f"Student's t on Fisher's z, clustered by {way}"
    )


def _icc_of_a_rating(ratings: Ratings, rank: Ints, rng: np.random.Generator) -> float | None:
    """ICC(1), a rating's share of variance between the labels rated (feature × chosen rank).

    None if no label was rated twice, or if its interval includes 0.
    """
    labels, place = np.unique(np.stack([ratings.feature, rank]), axis=1, return_inverse=True)
    of_labels = dataclasses.replace(
        ratings, feature=place.reshape(-1).astype(np.int64), n_features=labels.shape[1]
    )
    judged, value = by_value(of_labels)
    found = agree(partial(icc_oneway, value=value), judged, rng=rng)
    low = found.interval.low
    return found.value if low is not None and low > 0 else None


def _against_choice(
    frame: pd.DataFrame, values: Mapping[Key, float], method: str, name: str, level: float
) -> Iterator[Estimate]:
    """Mean over trials of the share of other options that score below the chosen label.

    Ties count half. Only the method's own labels of the feature have a score.
    """
    columns = [f"option_rank_{i}" for i in range(1, 6)]
    if not set(columns) <= set(frame.columns):
        return
    # 1) The scores of the chosen label [rating] and of the other options [option, rating].
    chosen = lookup(frame, values, method, "rank_number")
    others = []
    for i, column in enumerate(columns, start=1):
        rank = frame[column].map(whole)
        source = frame.get(f"option_source_{i}")
        if source is not None:
            rank = rank.where(source.str.strip() == method)
        held = lookup(frame.assign(_option=rank), values, method, "_option")
        others.append(np.where(rank == frame["rank_number"], np.nan, held))
    table = np.array(others)
    # 2) Per trial, the share of the scored others that are below it.
    beaten = np.where(np.isfinite(table), (chosen > table) + 0.5 * (chosen == table), 0.0)
    n = np.isfinite(table).sum(axis=0)
    usable = np.isfinite(chosen) & (n > 0)
    if not usable.any():
        return
    share = beaten.sum(axis=0)[usable] / n[usable]
    ratings = ratings_of(frame[usable], method)
    linear = ratings.linear(share)
    label = (
        f"how often {name} of the chosen label is above that of another option (ties half; ½ by "
        "chance)"
    )
    interval = linear.student(linear.recommended, level, (0.0, 1.0))
    quantity = ratings.quantity(f"choice_{name}", label, "share", level)
    yield quantity.estimated(linear.value, interval)
