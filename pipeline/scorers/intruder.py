"""`intruder`: four clips where the feature fires, one where it does not; does the label find it?

By CLAP: the intruder is found if its cosine with the label is the smallest of the five (after the
intrusion test of Chang et al., 2009, "Reading Tea Leaves"). *Score*: the share of all sets of four
positives and one negative of the feature's held-out draw in which it is found, counted exactly and
not sampled; an intruder that ties with n positives counts 1 / (n + 1). Chance is 0.2. *Interval*:
jackknife over tracks, normal. *Contrast*: the score minus the mean score of other features' labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt

import numpy as np
import numpy.typing as npt

from pipeline.context import Floats, SaeContext
from pipeline.scorers.held_out import by_feature, graded_tracks, not_graded
from pipeline.scorers.similarities import (
    ClapScorer,
    cosines,
    labelled,
    rivals,
    rows_of,
)
from pipeline.store.tables import ScoreRecord

POSITIVES_PER_SET = 4
"""Positives shown with the intruder."""


class Intruder(ClapScorer):
    """How often the label's similarity finds the intruder."""

    def score(self, context: SaeContext, method: str) -> Iterator[ScoreRecord]:
        """One record for each label of `method`; see the module."""
        from scipy.stats import norm

        found = labelled(context, method)
        if found is None:
            return
        drawn = graded_tracks(context)
        z = float(norm.ppf(0.5 + context.config.scores.interval_level / 2))
        for feature, own in by_feature(found.labels).items():
            graded = drawn[context.column_of[feature]]
            reason = graded.shortage(max(POSITIVES_PER_SET + 1, context.config.scores.min_tracks))
            if reason:
                yield from (not_graded(label, method, graded, reason) for label in own)
                continue
            # 1) Cosines [text, track] of the feature's own labels, then of others'.
            rows = [*rows_of(found, own), *rivals(context, found, feature)]
            similar = cosines(context, found, rows, graded.all).astype(np.float64)
            # 2) The share of sets with other features' labels, 3) with the feature's own.
            truth = graded.truth
            others = [found_share(row, truth) for row in similar[len(own) :]]
            for label, row in zip(own, similar, strict=False):
                value = found_share(row, truth)
                half = z * jackknife_error(row, truth)
                yield ScoreRecord(
                    feature=feature,
                    method=method,
                    rank=label.rank,
                    score=value,
                    low=max(0.0, value - half),
                    high=min(1.0, value + half),
                    contrast=value - float(np.mean(others)) if others else None,
                    n_positive=int(truth.sum()),
                    n_negative=int((~truth).sum()),
                    comparable=True,
                    interval="jackknife over tracks, normal",
                )


def found_share(similar: Floats, truth: npt.NDArray[np.bool_]) -> float:
    """Share of all sets in which the negative has the smallest similarity of the five; `similar`,
    `truth` [track]."""
    return float(_shares(similar[truth], similar[~truth]).mean())


def _shares(positive: Floats, negative: Floats) -> Floats:
    """For each negative [negative], the share of sets of c = `POSITIVES_PER_SET` of the m positives
    in which it is the smallest of c + 1.

    With a positives above and b equal to it, there are C(b, i) C(a, c − i) sets with i ties, each
    of which counts 1 / (i + 1): the share is Σ_i C(b, i) C(a, c − i) / (i + 1) / C(m, c).
    """
    from scipy.special import comb

    # 1) a and b of each negative, by binary search among the sorted positives.
    order = np.sort(positive)
    over = len(order) - np.searchsorted(order, negative, side="right")
    tied = len(order) - np.searchsorted(order, negative, side="left") - over
    # 2) The sum over i. `comb` is 0 where too few are left to choose from.
    found = np.zeros(len(negative))
    for ties in range(POSITIVES_PER_SET + 1):
        found += comb(tied, ties) * comb(over, POSITIVES_PER_SET - ties) / (ties + 1)
    return np.asarray(found / comb(len(order), POSITIVES_PER_SET))


def jackknife_error(similar: Floats, truth: npt.NDArray[np.bool_]) -> float:
    """Standard error of `found_share`: the two-sample jackknife, leaving out each positive and each
    negative in turn, (n − 1) / n Σ (θ_i − θ̄)² summed over both samples (Efron, 1982).

    A formula for independent sets would be far too small: sets share their tracks.
    """
    positive, negative = similar[truth], similar[~truth]
    shares = _shares(positive, negative)
    n, m = len(negative), len(positive)
    # Without one negative the score is the mean of the other negatives' shares; without one
    # positive every share has to be counted again.
    by_negative = (shares.sum() - shares) / (n - 1)
    by_positive = np.asarray([_shares(np.delete(positive, i), negative).mean() for i in range(m)])
    variance = sum(
        (len(part) - 1) / len(part) * np.square(part - part.mean()).sum()
        for part in (by_negative, by_positive)
    )
    return sqrt(float(variance))
