"""Features that both methods have: `analysis.estimates.method_pairs`."""

from pathlib import Path

import numpy as np
import pytest

from analysis.estimates.method_pairs import Pair, pair_of, paired_difference
from analysis.reading.table import read_responses
from tests.analysis.factories import Row, write_csv


def pair(tmp_path: Path, ratings: list[tuple[str, str, str, int]]) -> Pair:
    """From (participant, method, feature, rating), methods a and b."""
    rows: list[Row] = [
        {"participation": p, "method": m, "feature": f, "trial": i, "confidence": c}
        for i, (p, m, f, c) in enumerate(ratings, start=1)
    ]
    return pair_of(read_responses(write_csv(tmp_path / "r.csv", rows)), "a", "b")


def test_pairing_takes_the_feature_s_own_level_out(tmp_path: Path) -> None:
    # Features of levels 1..5; A is one step above B on each that allows it.
    ratings = [(f"p{i}", "a", f"f{i}", min(5, i + 2)) for i in range(4)]
    ratings += [(f"q{i}", "b", f"f{i}", i + 1) for i in range(4)]
    ratings += [("r", "b", "alone", 1)]
    found = paired_difference(pair(tmp_path, ratings))
    assert (found.value, found.n_features, found.n_ratings) == (1, 4, 8)


def test_pairing_needs_two_shared_features(tmp_path: Path) -> None:
    ratings = [("p", "a", "f1", 5), ("q", "b", "f1", 4), ("q", "b", "f2", 4)]
    found = paired_difference(pair(tmp_path, ratings))
    assert not found.estimable
    assert "both methods" in found.reason


def test_paired_interval_is_wider_where_differences_vary_by_feature(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    ratings = []
    for person in range(40):
        method = "a" if person < 20 else "b"
        for trial in range(5):
            feature = (person % 20 + 4 * trial) % 20
            likes = feature % 2 if method == "a" else 1 - feature % 2
            ratings.append(
                (f"p{person}", method, f"f{feature}", int(2 + 2 * likes + rng.integers(0, 2)))
            )
    found = paired_difference(pair(tmp_path, ratings))
    assert found.value == pytest.approx(0, abs=0.3)
    assert (found.high or 0) - (found.low or 0) > 1.5  # the feature's SD of differences is 4
