"""Between two methods: `analysis.estimates.comparisons`."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from analysis.errors import AnalysisError
from analysis.estimates.clustering import BOTH, FEATURE, PARTICIPANT
from analysis.estimates.comparisons import (
    compare,
    mean_difference,
    share_difference,
    square_and_add,
)
from analysis.estimates.ends_of_scale import EXACT_ENDS
from analysis.estimates.hypothesis_tests import hypothesis_tests_of
from analysis.estimates.intervals import ONE_PARTICIPANT, STUDENT, welch_df, wilson
from analysis.estimates.method_pairs import Pair, pair_of, pairs
from analysis.estimates.results import Estimate, Interval
from analysis.reading.table import read_responses
from tests.analysis.factories import Row, paper_rows, write_csv


def pair(tmp_path: Path, ratings: list[tuple[str, str, str, int]]) -> Pair:
    """From (participant, method, feature, rating), methods a and b."""
    rows: list[Row] = [
        {"participation": p, "method": m, "feature": f, "trial": i, "confidence": c}
        for i, (p, m, f, c) in enumerate(ratings, start=1)
    ]
    return pair_of(read_responses(write_csv(tmp_path / "r.csv", rows)), "a", "b")


def by_participant(both: Pair) -> Estimate:
    found = mean_difference(both, seed=0, resamples=100)
    return next(e for e in found if e.clustered_by == PARTICIPANT)


@pytest.mark.parametrize(
    ("x", "m", "y", "n", "low", "high"),
    [
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (6, 7, 2, 7, 0.0582, 0.8062),
        (5, 56, 0, 29, -0.0381, 0.1926),
        (0, 10, 0, 20, -0.1611, 0.2775),
        (0, 10, 0, 10, -0.2775, 0.2775),
        (10, 10, 0, 20, 0.6791, 1.0),
        (10, 10, 0, 10, 0.6075, 1.0),
    ],
)
def test_difference_of_shares_as_in_newcombe_1998_table_2(
    x: int, m: int, y: int, n: int, low: float, high: float
) -> None:
    a, b = (Interval(*wilson(k / of, of, 1.959964), "Wilson") for k, of in ((x, m), (y, n)))
    found = square_and_add(x / m, a, y / n, b)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_symmetric_limits_of_correlated_means_are_those_of_their_difference() -> None:
    # With limits v ± z s, "square and add" is z √(s_a² + s_b² − 2 r s_a s_b).
    z, a, b = 1.96, 0.05, 0.03
    sides = Interval(0.4 - z * a, 0.4 + z * a, ""), Interval(0.3 - z * b, 0.3 + z * b, "")
    for r in (-0.5, 0.0, 0.8):
        found = square_and_add(0.4, sides[0], 0.3, sides[1], r)
        half = z * float(np.sqrt(a * a + b * b - 2 * r * a * b))
        assert (found.low, found.high) == pytest.approx((0.1 - half, 0.1 + half), abs=1e-12)


def test_the_covariance_of_two_methods_is_what_their_difference_lacks(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    ratings = [
        (f"p{p}", method, f"f{f}", int(rng.integers(1, 6)))
        for p in range(6)
        for method in "ab"
        for f in range(4)
    ]
    both = pair(tmp_path, ratings)
    linear = both.linear(both.values)
    sides = [both.one_side(first, both.values) for first in (True, False)]
    for way in (PARTICIPANT, FEATURE):
        # All clusters are on both sides, so that the three variances have the same G/(G − 1).
        expected = (sum(side.variance(way) for side in sides) - linear.variance(way)) / 2
        assert linear.covariance_of_sides(way) == pytest.approx(expected, abs=1e-12)
    separate = pair(tmp_path, [(f"{m}{p}", m, f"f{p}", p + 1) for m in "ab" for p in range(5)])
    assert separate.linear(separate.values).covariance_of_sides(PARTICIPANT) == 0


def test_pairs_are_alphabetical_unless_asked_for() -> None:
    assert pairs(["c", "a", "b"]) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert pairs(["a", "b"], ("b", "a")) == [("b", "a")]
    with pytest.raises(AnalysisError, match="no ratings of method 'd'; there are: a, b"):
        pairs(["a", "b"], ("a", "d"))
    with pytest.raises(AnalysisError, match="with itself"):
        pairs(["a", "b"], ("a", "a"))


def test_the_difference_is_first_minus_second(tmp_path: Path) -> None:
    found = by_participant(pair(tmp_path, [("p", "a", "f", 5), ("q", "b", "f", 2)]))
    assert (found.method, found.value) == ("a − b", 3)
    assert found.reason == ONE_PARTICIPANT


def test_few_participants_give_welch_s_interval(tmp_path: Path) -> None:
    a, b = [5, 3, 4, 4, 2], [1, 2, 2, 5]
    ratings = [(f"p{i}", "a", f"f{i}", c) for i, c in enumerate(a)]
    ratings += [(f"q{i}", "b", f"f{i}", c) for i, c in enumerate(b)]
    both = pair(tmp_path, ratings)
    found = by_participant(both)
    expected = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    assert found.interval == STUDENT
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    first, second = (side.variance() for side in both.sides(both.values))
    assert welch_df(first, len(a), second, len(b)) == pytest.approx(
        float(stats.ttest_ind(a, b, equal_var=False).df), abs=1e-9
    )


def test_many_participants_give_welch_s_interval_too(tmp_path: Path) -> None:
    responses = read_responses(write_csv(tmp_path / "r.csv", paper_rows()))
    both = pair_of(responses, "essentia", "gemini")
    found = by_participant(both)
    a, b = both.sides(both.values)
    welch = stats.ttest_ind(a.total / 10, b.total / 10, equal_var=False).confidence_interval()
    assert found.interval == STUDENT
    assert (found.low, found.high) == pytest.approx((welch.low, welch.high), abs=1e-9)
    assert (found.n_ratings, found.n_participants, found.n_features) == (800, 80, 400)


def test_participants_who_rated_both_methods_are_one_cluster(tmp_path: Path) -> None:
    a, b = [5, 3, 4, 4, 2, 5], [4, 2, 4, 3, 1, 3]
    ratings = [(f"p{i}", "a", f"f{i}", c) for i, c in enumerate(a)]
    ratings += [(f"p{i}", "b", f"f{i}", c) for i, c in enumerate(b)]
    found = by_participant(pair(tmp_path, ratings))
    expected = stats.ttest_rel(a, b).confidence_interval()
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_shares_of_none_have_an_interval(tmp_path: Path) -> None:
    ratings = [(f"p{i}", "a" if i < 9 else "b", f"f{i}", 2) for i in range(20)]
    both = pair(tmp_path, ratings)
    found = share_difference(both, np.zeros(20), "x", "x")
    assert found.value == 0
    assert (found.low or 0) < -0.2
    assert (found.high or 0) > 0.2


def test_features_that_repeat_make_the_two_way_interval_the_recommended_one(
    tmp_path: Path,
) -> None:
    ratings = [(f"p{i % 20}", "ab"[i % 2], f"f{i % 7}", 1 + i % 5) for i in range(200)]
    found = mean_difference(pair(tmp_path, ratings), seed=0, resamples=100)
    assert [e.clustered_by for e in found if e.recommended] == [BOTH]
    assert len({e.value for e in found}) == 1


def test_superiority_and_delta_say_the_same(tmp_path: Path) -> None:
    responses = read_responses(write_csv(tmp_path / "r.csv", paper_rows()))
    both = pair_of(responses, "essentia", "gemini")
    found = {e.name: e for e in compare(both, seed=0, resamples=200) if e.recommended}
    a, b = both.values[both.is_a], both.values[~both.is_a]
    won = stats.mannwhitneyu(a, b).statistic / (len(a) * len(b))
    theta, delta = found["superiority_ratings"], found["cliffs_delta_ratings"]
    assert theta.value == pytest.approx(won, abs=1e-12)
    assert delta.value == pytest.approx(2 * won - 1, abs=1e-12)
    assert delta.low == pytest.approx(2 * (theta.low or 0) - 1, abs=1e-12)
    assert found["superiority_participant_means"].low is not None


DESIGNS = {
    "between, features rated once": lambda i: (f"p{i % 20}", "ab"[i % 2], f"f{i}"),
    "between, features rated by several": lambda i: (f"p{i % 20}", "ab"[i % 2], f"f{i % 7}"),
    "within, features rated once": lambda i: (f"p{i % 11}", "ab"[i % 2], f"f{i}"),
    "within, features rated by several": lambda i: (f"p{i % 11}", "ab"[i % 2], f"f{i % 7}"),
}


@pytest.mark.parametrize("design", DESIGNS)
def test_an_interval_excludes_its_null_exactly_where_its_test_rejects(
    tmp_path: Path, design: str
) -> None:
    rng = np.random.default_rng(1)
    decided = []
    for _ in range(12):
        noise = rng.integers(1, 5, 60)
        ratings = [(*DESIGNS[design](i), int(n + (i % 2) * (n > 2))) for i, n in enumerate(noise)]
        both = pair(tmp_path, ratings)
        tests = {t.name: t for t in hypothesis_tests_of(both, seed=0, resamples=100)}
        for e in compare(both, seed=0, resamples=100):
            test = tests.get(e.name)
            if not e.recommended or test is None or test.p is None or e.low is None:
                continue
            null = 0.5 if e.name.startswith("superiority") else 0.0
            outside = not e.low <= null <= (e.high or 0)
            assert outside == (test.p < 0.05), e.name
            decided.append((e.name, outside))
    assert {name for name, _ in decided} >= {"difference_mean_confidence", "superiority_ratings"}


def test_all_five_against_all_one_has_an_interval_and_a_test(tmp_path: Path) -> None:
    for several in (False, True):
        ratings = [
            (f"p{i}", "ab"[i < 23], f"f{i % 9 if several else i}", 1 if i < 23 else 5)
            for i in range(43)
        ]
        both = pair(tmp_path, ratings)
        found = {e.name: e for e in compare(both, seed=0, resamples=100) if e.recommended}
        tests = {t.name: t for t in hypothesis_tests_of(both, seed=0, resamples=100)}
        mean, main = found["difference_mean_confidence"], tests["difference_mean_confidence"]
        assert (mean.value, mean.high, mean.interval) == (4, 4, EXACT_ENDS)
        assert 0 < (mean.low or 0) < 4
        assert main.p is not None
        assert main.p < 0.01
        assert main.statistic is None
        share = found["difference_share_at_least_4"]
        assert (share.value, share.high) == (1, 1)
        assert (share.low or 0) > 0
        assert "total separation" in found["superiority_ratings"].reason
        assert "total separation" in tests["superiority_ratings"].reason
    assert tests["permutation_participant_means"].p is None  # features were rated by several


def test_without_any_variance_away_from_the_ends_the_reason_says_what_was_rated(
    tmp_path: Path,
) -> None:
    ratings = [(f"p{i}", "ab"[i % 2], f"f{i}", 3 + i % 2) for i in range(20)]
    found = by_participant(pair(tmp_path, ratings))
    assert found.low is None
    assert found.reason.startswith("every rating of a is 3 and every rating of b is 4")


def test_one_feature_is_named_as_the_reason(tmp_path: Path) -> None:
    ratings = [(f"p{i}", "ab"[i % 2], "f", 1 + i % 5) for i in range(22)]
    both = pair(tmp_path, ratings)
    found = {e.name: e for e in compare(both, seed=0, resamples=100) if e.recommended}
    tests = {t.name: t for t in hypothesis_tests_of(both, seed=0, resamples=100)}
    for name in ("difference_mean_confidence", "superiority_ratings"):
        assert "only one feature" in found[name].reason
        assert "only one feature" in tests[name].reason
