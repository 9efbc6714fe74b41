"""Test–retest agreement: listeners who were given the same trial twice."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analysis.estimates.descriptives import rating_share, ratings_of
from analysis.estimates.intervals import LEVEL
from analysis.estimates.results import Estimate
from analysis.reading.quality import counted, repeat_pairs
from analysis.reading.table import Responses


def describe_repeats(responses: Responses, method: str, level: float = LEVEL) -> Iterator[Estimate]:
    """Shares of repeats with the same choice and with the same confidence as the first time."""
    pairs = repeat_pairs(counted(responses))
    pairs = pairs[pairs["method"] == method] if len(pairs) else pairs
    if pairs.empty:
        return
    ratings = ratings_of(pairs, method)
    measures = {
        "repeat_same_choice": ("share of repeats with the same choice", "same_choice"),
        "repeat_same_confidence": ("share of repeats with the same confidence", "same_confidence"),
    }
    for name, (label, column) in measures.items():
        if column in pairs.columns:
            hits = np.asarray(pairs[column], dtype=np.float64)
            yield from rating_share(ratings, hits, name, label, level)
