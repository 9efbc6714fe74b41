"""Estimates of one method: `analysis.estimates.descriptives`."""

from pathlib import Path

import numpy as np
import pytest
from scipy import special, stats

from analysis.estimates.clustering import BOTH
from analysis.estimates.descriptives import describe, ratings_of
from analysis.estimates.intervals import ONE_PARTICIPANT
from analysis.estimates.results import Estimate
from analysis.estimates.shares import LOGIT_JACKKNIFE
from analysis.reading.table import read_responses
from tests.analysis.factories import Row, write_csv


def estimates(tmp_path: Path, ratings: list[tuple[str, str, int]]) -> dict[str, Estimate]:
    """Estimates by name, from (participant, feature, rating)."""
    rows: list[Row] = [
        {"participation": p, "method": "m", "feature": f, "trial": i, "confidence": c}
        for i, (p, f, c) in enumerate(ratings, start=1)
    ]
    responses = read_responses(write_csv(tmp_path / "r.csv", rows))
    found = describe(ratings_of(responses, "m"), seed=0, resamples=200)
    return {e.name: e for e in found if e.recommended}


FOUR = [("a", "f1", 5), ("a", "f2", 4), ("b", "f1", 4), ("b", "f3", 2)]


def test_values_and_counts_by_hand(tmp_path: Path) -> None:
    found = estimates(tmp_path, FOUR)
    assert all(e.clustered_by for e in found.values() if e.name.startswith("share_equal"))
    values = {name: e.value for name, e in found.items()}
    assert values == pytest.approx(
        {
            "mean_confidence": 3.75,
            "sd_confidence": (19 / 12) ** 0.5,
            "share_equal_1": 0,
            "share_equal_2": 0.25,
            "share_equal_3": 0,
            "share_equal_4": 0.5,
            "share_equal_5": 0.25,
            "share_at_least_4": 0.75,
            "share_feature_means_at_least_4": 2 / 3,
            "share_feature_means_above_4": 1 / 3,
            "share_participant_means_at_least_4": 0.5,
            "share_participant_means_above_4": 0.5,
        }
    )
    assert (found["share_at_least_4"].count, found["share_at_least_4"].of) == (3, 4)
    share = found["share_feature_means_at_least_4"]
    assert (share.count, share.of, share.n_participants, share.n_features) == (2, 3, 2, 3)
    assert {e.n_ratings for e in found.values()} == {4}


def test_every_share_says_exactly_what_it_counts(tmp_path: Path) -> None:
    for name, e in estimates(tmp_path, FOUR).items():
        if name.startswith("share"):
            assert e.label.startswith(
                (
                    "share of ratings that are",
                    "share of features whose mean",
                    "share of participants whose mean",
                )
            )
            assert any(sign in e.label for sign in ("= ", "≥ 4", "> 4"))


def test_a_mean_of_exactly_four_is_at_least_four_and_not_above(tmp_path: Path) -> None:
    ratings = [(f"p{i}", "f", c) for i, c in enumerate((3, 4, 5))]
    found = estimates(tmp_path, ratings)
    assert found["share_feature_means_at_least_4"].value == 1
    assert found["share_feature_means_above_4"].value == 0


def test_with_one_rating_a_feature_its_share_is_that_of_ratings(tmp_path: Path) -> None:
    ratings = [(f"p{i % 9}", f"f{i}", 1 + (i * i) % 5) for i in range(45)]
    found = estimates(tmp_path, ratings)
    features, rated = found["share_feature_means_at_least_4"], found["share_at_least_4"]
    assert features.interval == rated.interval == f"{LOGIT_JACKKNIFE}, clustered by participant"
    assert (features.low, features.high) == pytest.approx((rated.low, rated.high), abs=1e-12)


def test_features_rated_repeatedly_are_clustered_both_ways(tmp_path: Path) -> None:
    ratings = [(f"p{i % 9}", f"f{i % 5}", 1 + (i * i) % 5) for i in range(45)]
    found = estimates(tmp_path, ratings)
    assert found["share_at_least_4"].interval == f"{LOGIT_JACKKNIFE}, clustered by {BOTH}"
    for unit in ("feature", "participant"):
        of_means = found[f"share_{unit}_means_at_least_4"]
        assert (of_means.low, of_means.recommended) == (None, True)
        assert of_means.reason.startswith("no interval where features were rated by several")


def test_participant_means_are_independent_units(tmp_path: Path) -> None:
    ratings = [(f"p{i % 10}", f"f{i}", 5 if i % 10 < 3 else 2) for i in range(50)]
    e = estimates(tmp_path, ratings)["share_participant_means_at_least_4"]
    assert (e.count, e.of) == (3, 10)
    # Ten values of 0 or 1 whose mean is .3, left out one by one.
    left = np.repeat([2 / 9, 3 / 9], [3, 7])
    half = stats.t.ppf(0.975, 9) * np.sqrt(9 * np.var(special.logit(left)))
    limits = special.expit(special.logit(0.3) + half * np.array([-1, 1]))
    assert (e.low, e.high) == pytest.approx(tuple(limits), abs=1e-9)


def test_one_participant_has_values_and_no_intervals(tmp_path: Path) -> None:
    found = estimates(tmp_path, [("a", "f1", 5), ("a", "f2", 3)])
    assert found["mean_confidence"].value == 4
    assert found.pop("sd_confidence").reason == "no interval was measured to hold"
    assert all(e.low is None and e.reason == ONE_PARTICIPANT for e in found.values())


def test_one_rating_has_no_spread(tmp_path: Path) -> None:
    e = estimates(tmp_path, [("a", "f1", 5)])["sd_confidence"]
    assert not e.estimable
    assert e.reason == "one rating has no spread"


def test_the_mean_s_interval_is_t_on_the_logit(tmp_path: Path) -> None:
    values = [1, 1, 2, 1, 1, 3, 1, 1, 1, 2]
    e = estimates(tmp_path, [(f"p{i}", f"f{i}", c) for i, c in enumerate(values)])
    mean = e["mean_confidence"]
    p, se = (np.mean(values) - 1) / 4, stats.sem(values) / 4
    half = stats.t.ppf(0.975, 9) * se / (p * (1 - p))
    limits = 1 + 4 * special.expit(special.logit(p) + half * np.array([-1, 1]))
    assert (mean.low, mean.high) == pytest.approx(tuple(limits), abs=1e-12)
    assert (mean.low or 0) > 1  # m − t se would be 0.91


def test_ratings_all_at_one_end_have_an_exact_interval_of_the_mean(tmp_path: Path) -> None:
    once = estimates(tmp_path, [(f"p{i}", f"f{i}", 5) for i in range(10)])["mean_confidence"]
    assert (once.low, once.high) == (pytest.approx(1 + 4 * 0.025**0.1), 5)
    # Ten listeners of two features: two ratings at most share neither.
    twice = estimates(tmp_path, [(f"p{i}", f"f{i % 2}", 1) for i in range(10)])["mean_confidence"]
    assert (twice.low, twice.high) == (1, pytest.approx(5 - 4 * 0.025**0.5))


def test_ratings_without_spread_have_no_interval_of_the_mean(tmp_path: Path) -> None:
    found = estimates(tmp_path, [(f"p{i}", f"f{i}", 4) for i in range(10)])
    assert (found["mean_confidence"].value, found["mean_confidence"].low) == (4, None)
    assert found["sd_confidence"].value == 0
    assert found["share_equal_5"].high == pytest.approx(0.3385, abs=1e-4)  # t² / (10 + t²), 9 df
