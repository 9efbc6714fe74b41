"""Machine against listener: scores beside confidence and choice, and the machine's own confidence.

Needs `labels.csv` beside the table (run, sae, feature, method, rank, text, confidence, and a column
for each score). A *score* is a column there whose name begins with `score_`, or another one that
holds numbers alone. For one method:

- a score and the listener's confidence: Spearman's correlation between the score of the label that
  was chosen and the confidence in it, and the same freed of the listeners' own noise;
- a score and the choice: how often the chosen label's score is above that of another option;
- the machine's own confidence in its first label as a probability that a listener chooses it:
  Brier score, expected calibration error, AUROC, and a reliability diagram.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from analysis.agreement import agree, counts_table, icc_oneway
from analysis.clustering import PARTICIPANT, Linear
from analysis.columns import whole
from analysis.companions import decimal, read_table
from analysis.intervals import LEVEL, Floats, Ints, multinomial_weights, stream, sums_within
from analysis.methods import Ratings, ratings_of
from analysis.results import Estimate, Interval, estimate, not_estimable
from analysis.superiority import superiority
from analysis.table import RUN_SEPARATOR, Responses

IDENTITY = ("run", "sae", "feature", "method", "rank", "text", "status")
PREFIX = "score_"
BINS = 10
"""Bins of equal width of the machine's confidence."""
RELIABILITY_RESAMPLES = 2000
"""To tell whether a rating has any reliability: without it the correction divides by nothing."""

Key = tuple[str, str, int]
"""Feature key, method, rank."""


@dataclass(frozen=True)
class Scores:
    """`labels.csv`: score name to the value of each (feature key, method, rank)."""

    by_name: Mapping[str, Mapping[Key, float]]

    @property
    def names(self) -> list[str]:
        """Scores other than the machine's own confidence."""
        return [name for name in self.by_name if name != "confidence"]


@dataclass(frozen=True)
class Bin:
    """One point of a reliability diagram."""

    predicted: float
    observed: float
    n: int


@dataclass(frozen=True)
class Points:
    """One score of one method beside confidence: feature means of both."""

    method: str
    score: Floats
    confidence: Floats


def score_points(responses: Responses, scores: Scores | None) -> dict[str, list[Points]]:
    """For each score the feature means of it (of the chosen labels) and of confidence, a method."""
    found: dict[str, list[Points]] = {}
    if scores is None or not responses.has("chosen_rank"):
        return found
    for name in scores.names:
        for method in responses.methods:
            frame = responses.ratings[responses.ratings["method"] == method]
            frame = frame.assign(rank_number=frame["chosen_rank"].map(whole))
            value = _lookup(frame, scores.by_name[name], method, "rank_number")
            known = frame.assign(value=value)[np.isfinite(value)]
            if len(known):
                means = known.groupby("feature_key", sort=True)[["value", "rating"]].mean()
                found.setdefault(name, []).append(
                    Points(method, means["value"].to_numpy(), means["rating"].to_numpy())
                )
    return found


def read_scores(folder: Path, responses: Responses) -> Scores | None:
    """The scores beside the table; None where there is no `labels.csv`."""
    rows = read_table(folder, "labels.csv", ("feature", "method", "rank"))
    if rows is None:
        return None
    runs = responses.has("run") and responses.rows["run"].nunique() > 1
    found: dict[str, dict[Key, float]] = {}
    columns = _score_columns(rows)
    for number, row in enumerate(rows, start=2):
        rank = whole(row["rank"])
        if rank is None:
            continue
        feature = row.get("run", "") + RUN_SEPARATOR + row["feature"] if runs else row["feature"]
        for column in columns:
            if row[column] != "":
                value = decimal("labels.csv", number, column, row[column])
                name = column.removeprefix(PREFIX)
                found.setdefault(name, {})[feature, row["method"], rank] = value
    return Scores(found)


def _score_columns(rows: list[dict[str, str]]) -> list[str]:
    """The machine's confidence, what is named a score, and what else holds numbers alone."""
    named = [c for c in (rows[0] if rows else ()) if c not in IDENTITY]
    return [
        c
        for c in named
        if c == "confidence" or c.startswith(PREFIX) or all(_numeric(r[c]) for r in rows)
    ]


def _numeric(text: str) -> bool:
    try:
        return text == "" or math.isfinite(float(text))
    except ValueError:
        return False


def describe_scores(
    responses: Responses,
    scores: Scores | None,
    method: str,
    *,
    seed: int,
    resamples: int,
    level: float = LEVEL,
) -> list[Estimate]:
    """Every estimate of one method's scores; nothing without scores or chosen ranks."""
    if scores is None or not responses.has("chosen_rank"):
        return []
    frame = responses.ratings[responses.ratings["method"] == method]
    frame = frame.assign(rank_number=frame["chosen_rank"].map(whole))
    found: list[Estimate] = []
    for name in scores.names:
        values = scores.by_name[name]
        found += _against_confidence(frame, values, method, name, seed, level)
        found += _against_choice(frame, values, method, name, level)
    found += _own_confidence(frame, scores, method, seed, resamples, level)
    return found


def _lookup(frame: pd.DataFrame, values: Mapping[Key, float], method: str, rank: object) -> Floats:
    """The score of one label a rating: of the rank in a column, or of a fixed rank."""
    ranks = frame[rank] if isinstance(rank, str) else [rank] * len(frame)
    return np.array(
        [
            values.get((feature, method, int(r)), math.nan) if pd.notna(r) else math.nan
            for feature, r in zip(frame["feature_key"], ranks, strict=True)
        ],
        dtype=np.float64,
    )


def _against_confidence(
    frame: pd.DataFrame,
    values: Mapping[Key, float],
    method: str,
    name: str,
    seed: int,
    level: float,
) -> Iterator[Estimate]:
    score = _lookup(frame, values, method, "rank_number")
    kept = frame[np.isfinite(score)]
    if kept.empty:
        return
    ratings = ratings_of(kept, method)
    label = f"Spearman’s correlation of {name} of the chosen label and confidence in it"
    linear = spearman(score[np.isfinite(score)], ratings)
    key = f"spearman_{name}_confidence"
    if linear is None:
        yield _no(key, label, ratings, "the score or the confidence is the same everywhere", level)
        return
    interval = _fisher(linear, level)
    yield estimate(
        name=key,
        label=label,
        method=method,
        unit="none",
        value=linear.value,
        interval=interval,
        level=level,
        counts=ratings.counts,
    )
    reliability = _reliability(ratings, stream(seed, f"reliability {name} {method}"))
    corrected = f"{label}, corrected for the listeners’ noise"
    if reliability is None:
        yield _no(
            f"{key}_corrected",
            corrected,
            ratings,
            "the reliability of a rating (ICC) cannot be told from 0",
            level,
        )
        return
    scale = math.sqrt(reliability)
    stretched = (
        Interval.none(interval.reason)
        if interval.low is None
        else Interval(
            max(-1.0, interval.low / scale),
            min(1.0, (interval.high or 0.0) / scale),
            f"{interval.kind}, reliability {reliability:.3f} taken as known",
        )
    )
    yield estimate(
        name=f"{key}_corrected",
        label=corrected,
        method=method,
        unit="none",
        value=max(-1.0, min(1.0, linear.value / scale)),
        interval=stretched,
        level=level,
        counts=ratings.counts,
    )


def spearman(score: Floats, ratings: Ratings) -> Linear | None:
    """Spearman's correlation with each rating's influence; None without spread.

    Pearson's correlation r of the mid-ranks; influence (z_x z_y − r (z_x² + z_y²)/2) / n, with the
    ranks' standardised values z. The ranks are taken as given.
    """
    if np.ptp(score) == 0 or np.ptp(ratings.values) == 0:
        return None
    x, y = stats.rankdata(score), stats.rankdata(ratings.values)
    x, y = (x - x.mean()) / x.std(), (y - y.mean()) / y.std()
    r = float(np.mean(x * y))
    influence = (x * y - r * (x**2 + y**2) / 2) / len(x)
    return Linear(r, influence, ratings.participant, ratings.feature)


def _fisher(linear: Linear, level: float) -> Interval:
    """Student's t on Fisher's z, with the recommended clustered standard error."""
    way = linear.recommended
    if linear.clusters(way) < 3:
        return Interval.none("fewer than three participants or features")
    r = min(max(linear.value, -0.999999), 0.999999)
    se = math.sqrt(linear.variance(way)) / (1 - r * r)
    half = float(stats.t.ppf((1 + level) / 2, linear.clusters(way) - 1)) * se
    z = math.atanh(r)
    return Interval(
        math.tanh(z - half), math.tanh(z + half), f"Student's t on Fisher's z, clustered by {way}"
    )


def _reliability(ratings: Ratings, rng: np.random.Generator) -> float | None:
    """ICC(1): the share of a rating's variance between features; None if not told from 0."""
    counts = counts_table(
        ratings.feature, ratings.values.astype(np.int64) - 1, ratings.n_features, 5
    )
    found = agree(icc_oneway, counts, rng=rng, resamples=RELIABILITY_RESAMPLES)
    low = found.interval.low
    return found.value if low is not None and low > 0 else None


def _against_choice(
    frame: pd.DataFrame, values: Mapping[Key, float], method: str, name: str, level: float
) -> Iterator[Estimate]:
    """Mean over trials of the share of other options whose score the chosen label's beats."""
    columns = [f"option_rank_{i}" for i in range(1, 6)]
    if not set(columns) <= set(frame.columns):
        return
    chosen = _lookup(frame, values, method, "rank_number")
    others = []
    for i, column in enumerate(columns, start=1):
        rank = frame[column].map(whole)
        source = frame.get(f"option_source_{i}")
        if source is not None:
            rank = rank.where(source == method)
        held = _lookup(frame.assign(_option=rank), values, method, "_option")
        others.append(np.where(rank == frame["rank_number"], np.nan, held))
    table = np.array(others)
    beaten = np.where(np.isfinite(table), (chosen > table) + 0.5 * (chosen == table), 0.0)
    n = np.isfinite(table).sum(axis=0)
    usable = np.isfinite(chosen) & (n > 0)
    if not usable.any():
        return
    share = beaten.sum(axis=0)[usable] / n[usable]
    ratings = ratings_of(frame[usable], method)
    linear = ratings.linear(share)
    yield estimate(
        name=f"choice_{name}",
        label=f"how often {name} of the chosen label is above that of "
        "another option (ties half; ½ by chance)",
        method=method,
        unit="share",
        value=linear.value,
        interval=linear.student(linear.recommended, level, (0.0, 1.0)),
        level=level,
        counts=ratings.counts,
    )


def _own_confidence(
    frame: pd.DataFrame, scores: Scores, method: str, seed: int, resamples: int, level: float
) -> Iterator[Estimate]:
    """Brier score, calibration error and AUROC of the confidence in the first label."""
    found = predictions(frame, scores, method)
    if found is None:
        return
    p, hit, kept = found
    ratings = ratings_of(kept, method)
    brier = ratings.linear((p - hit) ** 2)
    yield estimate(
        name="brier",
        label="Brier score of the machine’s confidence in its first label",
        method=method,
        unit="none",
        value=brier.value,
        level=level,
        counts=ratings.counts,
        interval=brier.student(brier.recommended, level, (0.0, 1.0)),
    )
    yield estimate(
        name="ece",
        label=f"expected calibration error ({BINS} bins of equal width)",
        method=method,
        unit="none",
        value=calibration_error(p, hit),
        level=level,
        counts=ratings.counts,
        interval=_ece_interval(p, hit, ratings, stream(seed, f"ece {method}"), resamples, level),
    )
    label = "AUROC of the machine’s confidence for its first label being chosen"
    if hit.min() == hit.max():
        yield _no(
            "auroc_confidence", label, ratings, "the first label was chosen always or never", level
        )
        return
    auroc = superiority(p, hit > 0.5, ratings.participant, ratings.feature)
    linear = Linear(auroc.value, auroc.influence, ratings.participant, ratings.feature)
    yield estimate(
        name="auroc_confidence",
        label=label,
        method=method,
        unit="none",
        value=linear.value,
        level=level,
        counts=ratings.counts,
        interval=linear.student(linear.recommended, level, (0.0, 1.0)),
    )


def predictions(
    frame: pd.DataFrame, scores: Scores, method: str
) -> tuple[Floats, Floats, pd.DataFrame] | None:
    """The machine's confidence in its first label, whether that was chosen, and the ratings.

    None where there is no such confidence, or where it is not a probability.
    """
    own = scores.by_name.get("confidence")
    if own is None:
        return None
    p = _lookup(frame, own, method, 1)
    kept = np.isfinite(p)
    if not kept.any() or p[kept].min() < 0 or p[kept].max() > 1:
        return None
    chosen = frame["chosen_rank"].map(whole)
    return p[kept], np.asarray(chosen[kept] == 1, dtype=np.float64), frame[kept]


def _bin(p: Floats) -> Ints:
    return np.minimum((p * BINS).astype(np.int64), BINS - 1)


def reliability_bins(p: Floats, hit: Floats) -> list[Bin]:
    """Mean prediction and share of hits in each bin that holds any."""
    place = _bin(p)
    n, sum_p, sum_hit = (sums_within(v, place, BINS) for v in (np.ones_like(p), p, hit))
    return [
        Bin(float(sum_p[i] / n[i]), float(sum_hit[i] / n[i]), int(n[i]))
        for i in range(BINS)
        if n[i] > 0
    ]


def calibration_error(p: Floats, hit: Floats) -> float:
    """Σ over bins of (share of ratings) × |mean prediction − share of hits| (Guo et al. 2017)."""
    return float(np.abs(sums_within(p - hit, _bin(p), BINS)).sum() / len(p))


def _ece_interval(
    p: Floats, hit: Floats, ratings: Ratings, rng: np.random.Generator, resamples: int, level: float
) -> Interval:
    """Percentile bootstrap by participant; noise within bins biases it upward, as the error."""
    n = ratings.n_participants
    if n < 2:
        return Interval.none("one participant only")
    cell = ratings.participant * BINS + _bin(p)
    gaps = sums_within(p - hit, cell, n * BINS).reshape(n, BINS)
    size = sums_within(np.ones_like(p), ratings.participant, n)
    values = np.concatenate(
        [
            np.abs(drawn @ gaps).sum(axis=1) / (drawn @ size)
            for drawn in multinomial_weights(rng, n, resamples)
        ]
    )
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), f"percentile bootstrap by {PARTICIPANT}")


def _no(name: str, label: str, ratings: Ratings, reason: str, level: float) -> Estimate:
    return not_estimable(
        name=name,
        label=label,
        method=ratings.method,
        unit="none",
        reason=reason,
        level=level,
        counts=ratings.counts,
    )
