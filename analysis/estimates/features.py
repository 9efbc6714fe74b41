"""Per feature: how it was rated under each method, and which label was chosen most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from analysis.arrays import Floats
from analysis.estimates.descriptives import Ratings
from analysis.estimates.intervals import LEVEL, MEAN_BOUNDS, sums_within
from analysis.estimates.results import Estimate, Interval
from analysis.reading.table import Responses


@dataclass(frozen=True)
class Shrunken:
    """Shrunken feature means, their posterior SDs and 95 % intervals, each [feature]."""

    mean: Floats
    sd: Floats
    low: Floats
    high: Floats


def shrunken(ratings: Ratings) -> Shrunken | None:
    """Empirical-Bayes means of features (Efron and Morris 1975, JASA 70, 311–319).

    A feature's mean of n ratings is shrunk towards the grand mean by λ = σ_b² / (σ_b² + σ_w² / n):
    centre + λ (mean − centre), with posterior variance σ_b² (1 − λ). The variances between and
    within features are the one-way ANOVA estimates for unequal n. Assumes normal levels and takes
    the variances as known; listeners' own levels count as noise. Deviation: limits are cut at the
    ends of the scale. None if no feature has two ratings, or if the estimated σ_b² is not above 0.
    """
    # 1) σ_w²: the mean square within features.
    sums = ratings.by_feature()
    n, mean = sums.weight, sums.total / sums.weight
    spare, total = len(ratings.values) - sums.n, n.sum()
    if spare < 1 or sums.n < 2:
        return None
    apart = ratings.values - mean[ratings.feature]
    within = float(np.sum(sums_within(apart**2, ratings.feature, sums.n)) / spare)
    # 2) σ_b² = (MS_between − σ_w²) / n₀, with n₀ = (N − Σ n²/N) / (features − 1).
    n0 = (total - np.sum(n**2) / total) / (sums.n - 1)
    ms_between = float(np.sum(n * (mean - sums.mean) ** 2) / (sums.n - 1))
    between = (ms_between - within) / n0
    if between <= 1e-12:
        return None
    # 3) λ; the centre weights features by it, that is by 1 / (σ_b² + σ_w²/n).
    part = between / (between + within / n)
    centre = float(np.sum(part * mean) / part.sum())
    drawn = centre + part * (mean - centre)
    # 4) Normal limits of the posterior.
    sd = np.sqrt(between * (1 - part))
    half = float(stats.norm.ppf((1 + LEVEL) / 2)) * sd
    low, high = (np.clip(drawn + sign * half, *MEAN_BOUNDS) for sign in (-1, 1))
    return Shrunken(drawn, sd, low, high)


def shrunken_share(ratings: Ratings, level: float = LEVEL) -> Estimate:
    """Share of features whose true mean is ≥ 4: the mean of P(level ≥ 4 | ratings) (`shrunken`).

    The share of features whose *observed* mean is ≥ 4 depends on the number of ratings: where it
    is 20 % of true means, 39 % of the means of three ratings are expected there, and 25 % of those
    of twenty. This one came out as 20 % with either. No interval: none was measured to hold.
    """
    quantity = ratings.quantity(
        "share_feature_levels_at_least_4",
        "share of features whose true mean is ≥ 4, with shrinkage (empirical Bayes)",
        "share",
        level,
    )
    found = shrunken(ratings)
    if found is None:
        return quantity.not_estimable(
            "it needs features with several ratings each, and ratings that differ between features"
        )
    # Without noise within features a level is known: it is at least 4, or it is not.
    known = found.sd <= 0
    above = stats.norm.sf((4 - found.mean) / np.where(known, 1.0, found.sd))
    share = float(np.where(known, found.mean >= 4 - 1e-9, above).mean())
    return quantity.estimated(share, Interval.none("no interval was measured to hold"))


def features_table(responses: Responses) -> pd.DataFrame:
    """One row per feature and method: number, mean and range of its ratings, most chosen label.

    Without `chosen_label` in the table its two columns are missing. Of tied labels the first in
    alphabetical order is named.
    """
    keys = [k for k in ("run", "feature", "method") if responses.has(k)]
    by = responses.ratings.groupby(keys, sort=True)
    table = by["rating"].agg(ratings="size", mean="mean", lowest="min", highest="max")
    table.insert(1, "participants", by["participation"].nunique())
    if responses.has("chosen_label"):
        chosen = responses.ratings[responses.ratings["chosen_label"] != ""]
        counts = chosen.groupby([*keys, "chosen_label"], sort=True).size().rename("n").reset_index()
        most = counts.sort_values("n", ascending=False, kind="stable").groupby(keys).first()
        table["most_chosen_label"] = most["chosen_label"]
        table["chose_it"] = most["n"]
    return table.reset_index()
