"""Features one by one: how each was rated under each method, and what was chosen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from analysis.arrays import Floats
from analysis.estimates.descriptives import Ratings
from analysis.estimates.intervals import LEVEL, MEAN_BOUNDS, sums_within
from analysis.reading.table import Responses


@dataclass(frozen=True)
class Shrunken:
    """Means drawn towards the mean of all features, each [feature], with 95 % intervals."""

    mean: Floats
    low: Floats
    high: Floats


def shrunken(ratings: Ratings) -> Shrunken | None:
    """Empirical Bayes means of features (Efron and Morris 1975, JASA 70, 311–319).

    A feature's mean of n ratings is drawn to the grand mean by λ = σ_b² / (σ_b² + σ_w² / n), with
    the variances between and within features by analysis of variance; its posterior variance is
    σ_b² (1 − λ). Assumes normal levels, and takes the variances as known. Listeners' own levels
    count as noise. None where no feature has two ratings, or where the variance between features is
    not above 0: then the data do not tell features apart.
    """
    sums = ratings.by_feature()
    n, mean = sums.weight, sums.total / sums.weight
    spare, total = len(ratings.values) - sums.n, n.sum()
    if spare < 1 or sums.n < 2:
        return None
    apart = ratings.values - mean[ratings.feature]
    within = float(np.sum(sums_within(apart**2, ratings.feature, sums.n)) / spare)
    n0 = (total - np.sum(n**2) / total) / (sums.n - 1)
    ms_between = float(np.sum(n * (mean - sums.mean) ** 2) / (sums.n - 1))
    between = (ms_between - within) / n0
    if between <= 1e-12:
        return None
    part = between / (between + within / n)
    centre = float(np.sum(part * mean) / part.sum())
    drawn = centre + part * (mean - centre)
    half = float(stats.norm.ppf((1 + LEVEL) / 2)) * np.sqrt(between * (1 - part))
    low, high = (np.clip(drawn + sign * half, *MEAN_BOUNDS) for sign in (-1, 1))
    return Shrunken(drawn, low, high)


def features_table(responses: Responses) -> pd.DataFrame:
    """One row a feature and method: its ratings, their mean and range, and the most chosen label.

    Without `chosen_label` in the table its two columns are absent. Ties: the first in the alphabet.
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
