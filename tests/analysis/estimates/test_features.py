"""Per feature: `analysis.estimates.features`."""

from pathlib import Path

import numpy as np
import pytest

from analysis.estimates.clustering import FEATURE
from analysis.estimates.descriptives import Ratings, means_share
from analysis.estimates.features import features_table, shrunken, shrunken_share
from analysis.reading.table import read_responses
from tests.analysis.factories import full_rows, write_csv


def study(rng: np.random.Generator, sd: float) -> tuple[Ratings, np.ndarray[tuple[int], np.dtype]]:
    """60 features of known level, two to six ratings each."""
    level = 3 + rng.normal(0, sd, 60)
    feature = np.repeat(np.arange(60), rng.integers(2, 7, 60))
    values = level[feature] + rng.normal(0, 0.6, len(feature))
    return Ratings("m", values, np.arange(len(feature)), feature, len(feature), 60), level


def test_shrunken_levels_are_nearer_the_truth_and_their_intervals_hold_it() -> None:
    rng = np.random.default_rng(0)
    held, better = [], []
    for _ in range(40):
        ratings, level = study(rng, 0.4)
        found = shrunken(ratings)
        assert found is not None
        held.append(np.mean((found.low <= level) & (level <= found.high)))
        plain = ratings.by_feature().total / ratings.by_feature().weight
        better.append(np.mean((found.mean - level) ** 2) < np.mean((plain - level) ** 2))
    assert 0.92 < np.mean(held) < 0.97
    assert np.mean(better) > 0.95


def test_features_that_do_not_differ_or_are_rated_once_are_not_told_apart() -> None:
    each = np.arange(10)
    assert shrunken(Ratings("m", np.ones(10), each, each, 10, 10)) is None
    same = np.tile([1.0, 5.0], 5)
    assert shrunken(Ratings("m", same, each, each // 2, 10, 5)) is None


@pytest.mark.parametrize("ratings", [3, 20])
def test_the_share_of_true_levels_does_not_depend_on_the_number_of_ratings(ratings: int) -> None:
    rng = np.random.default_rng(0)
    found, observed, truth = [], [], []
    for _ in range(40):
        level = 3.3 + rng.normal(0, 0.6, 150)
        feature = np.repeat(np.arange(150), ratings)
        values = np.clip(np.round(level[feature] + rng.normal(0, 1.1, len(feature))), 1, 5)
        made = Ratings("m", values, np.arange(len(feature)), feature, len(feature), 150)
        share = shrunken_share(made)
        assert share.low is None
        found.append(share.value or 0)
        observed.append(means_share(made, FEATURE, strict=False)[0].value or 0)
        truth.append(np.mean(level >= 4))
    assert np.mean(found) == pytest.approx(np.mean(truth), abs=0.035)
    if ratings == 3:
        assert np.mean(observed) > np.mean(truth) + 0.1


def test_where_every_listener_of_a_feature_agrees_its_level_is_known() -> None:
    feature = np.repeat(np.arange(4), 3)
    values = np.array([5.0, 4, 3, 1])[feature]
    made = Ratings("m", values, np.arange(12), feature, 12, 4)
    assert shrunken_share(made).value == 0.5


def test_without_repeated_ratings_there_is_no_share_of_true_levels() -> None:
    each = np.arange(10)
    found = shrunken_share(Ratings("m", np.arange(10) % 5 + 1.0, each, each, 10, 10))
    assert "several ratings each" in found.reason


def test_the_table_of_features_has_the_most_chosen_label(tmp_path: Path) -> None:
    drawn = full_rows(participants=4, catch=False)
    # A participant's second rating of a feature does not count.
    rows = list({(r["participation"], r["feature"]): r for r in reversed(drawn)}.values())
    table = features_table(read_responses(write_csv(tmp_path / "r.csv", rows)))
    assert len(table) == len({(r["feature"], r["method"]) for r in rows})
    assert table["ratings"].sum() == len(rows)
    one = table.iloc[0]
    mine = [r for r in rows if (r["feature"], r["method"]) == (one["feature"], one["method"])]
    assert one["mean"] == pytest.approx(np.mean([int(str(r["confidence"])) for r in mine]))
    chosen = [r["chosen_label"] for r in mine]
    assert chosen.count(one["most_chosen_label"]) == one["chose_it"]
    assert one["chose_it"] == max(map(chosen.count, chosen))
