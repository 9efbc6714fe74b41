"""Tests between two methods: `analysis.estimates.hypothesis_tests`."""

from pathlib import Path

import pytest
from scipy import stats

from analysis.estimates.clustering import PARTICIPANT
from analysis.estimates.comparisons import mean_hybrid
from analysis.estimates.hypothesis_tests import adjusted, hypothesis_tests_of
from analysis.estimates.intervals import NO_SPREAD, ONE_FEATURE, ONE_PARTICIPANT
from analysis.estimates.method_pairs import Pair, pair_of
from analysis.estimates.results import HypothesisTest
from analysis.estimates.superiority import superiorities
from analysis.estimates.validity import RULES
from analysis.reading.plan import PLANNABLE
from analysis.reading.table import read_responses
from tests.analysis.factories import Row, paper_rows, write_csv


def pair(tmp_path: Path, ratings: list[tuple[str, str, str, int]]) -> Pair:
    """From (participant, method, feature, rating), methods a and b."""
    rows: list[Row] = [
        {"participation": p, "method": m, "feature": f, "trial": i, "confidence": c}
        for i, (p, m, f, c) in enumerate(ratings, start=1)
    ]
    return pair_of(read_responses(write_csv(tmp_path / "r.csv", rows)), "a", "b")


def test_the_confirmatory_test_is_welch_s_on_participants_for_one_rating_a_feature(
    tmp_path: Path,
) -> None:
    responses = read_responses(write_csv(tmp_path / "r.csv", paper_rows()))
    both = pair_of(responses, "essentia", "gemini")
    tests = adjusted(hypothesis_tests_of(both, seed=0, resamples=500))
    main = next(t for t in tests if t.family == "confirmatory")
    a, b = (side.total / 10 for side in both.sides(both.values))
    expected = stats.ttest_ind(a, b, equal_var=False)
    assert (main.statistic, main.p, main.df) == pytest.approx(
        (expected.statistic, expected.pvalue, expected.df), abs=1e-12
    )
    assert main.p_adjusted == main.p
    assert {t.name for t in tests} == {
        "difference_mean_confidence",
        "equivalence_mean_confidence",
        "difference_paired_by_feature",
        "superiority_ratings",
        "welch_participant_means",
        "permutation_participant_means",
        "brunner_munzel_participant_means",
    }


def equivalence_p(both: Pair, bound: float) -> float:
    tests = hypothesis_tests_of(both, seed=0, resamples=20, bound=bound)
    found = next(t.p for t in tests if t.name == "equivalence_mean_confidence")
    assert found is not None
    return found


def test_the_equivalence_test_is_newcombe_s_interval_of_the_difference_inverted(
    tmp_path: Path,
) -> None:
    both = pair_of(
        read_responses(write_csv(tmp_path / "r.csv", paper_rows())), "essentia", "gemini"
    )
    value = both.linear(both.values).value
    for bound in (value + 0.1, value + 0.4):
        p = equivalence_p(both, bound)
        found = mean_hybrid(both, PARTICIPANT)(1 - 2 * p)
        assert max(found.high or 0.0, -(found.low or 0.0)) == pytest.approx(bound, abs=1e-6)
        # In the middle of the scale it is close to two one-sided t tests (Schuirmann 1987).
        se, df = both.standard_error(PARTICIPANT) or (0.0, 0.0)
        assert p == pytest.approx(float(stats.t.cdf((value - bound) / se, df)), abs=0.01)
    assert equivalence_p(both, value - 0.1) > 0.5
    assert equivalence_p(both, value) == pytest.approx(0.5)


def test_equivalence_is_not_claimed_where_one_side_has_no_interval(tmp_path: Path) -> None:
    varied = [("b", f"f{i}", c) for i, c in enumerate((1, 5, 4, 2))]
    flat = [("a", f"f{i}", 3) for i in range(4)]
    one_feature = [("a", "f0", c) for c in (2, 3, 4, 3)]
    for given, reason in ((flat, NO_SPREAD), (one_feature, ONE_FEATURE)):
        ratings = [(f"p{i}", m, f, c) for i, (m, f, c) in enumerate([*given, *varied])]
        tests = hypothesis_tests_of(pair(tmp_path, ratings), seed=0, resamples=20)
        equivalence = next(t for t in tests if t.name == "equivalence_mean_confidence")
        assert (equivalence.p, equivalence.reason) == (None, reason)


def test_within_participants_signs_are_flipped(tmp_path: Path) -> None:
    ratings = [(f"p{i}", m, f"{m}{i}", c) for i in range(6) for m, c in (("a", 5), ("b", 3))]
    tests = hypothesis_tests_of(pair(tmp_path, ratings), seed=0, resamples=500)
    found = next(t for t in tests if t.name == "sign_flip_participant_means")
    assert found.p == 2 / 64
    assert "exact" in found.note
    assert pair(tmp_path, ratings).standard_error(PARTICIPANT) is None  # every difference is 2


def test_adjustment_is_within_each_family_and_leaves_out_what_has_no_p(tmp_path: Path) -> None:
    one = hypothesis_tests_of(
        pair(tmp_path, [("p", "a", "f", 5), ("q", "b", "f", 2)]), seed=0, resamples=200
    )
    assert all(t.p is None and t.reason == ONE_PARTICIPANT for t in one)
    assert adjusted(one) == one
    ratings = [(f"p{i}", "ab"[i % 2], f"f{i}", 1 + i % 5) for i in range(30)]
    many = hypothesis_tests_of(pair(tmp_path, ratings), seed=0, resamples=200) * 2
    twice = [t for t in adjusted(many) if t.family == "confirmatory"]
    assert [t.p_adjusted for t in twice] == [min(1.0, 2 * (t.p or 9)) for t in twice]


def test_superiority_without_variance_says_every_value_is_the_same_only_where_it_is(
    tmp_path: Path,
) -> None:
    """Every listener of one method answers 2 and 4, every one of the other 1 and 5."""
    answers = {"a": (2, 4), "b": (1, 5)}
    ratings = [(f"{m}{i}", m, f"{m}{i}{c}", c) for i in range(4) for m in "ab" for c in answers[m]]
    both = pair(tmp_path, ratings)
    tests = {t.name: t for t in hypothesis_tests_of(both, seed=0, resamples=100)}
    assert tests["superiority_ratings"].reason == NO_SPREAD
    assert "every value is the same" in tests["brunner_munzel_participant_means"].reason
    found = {e.name: e for e in superiorities(both)}
    assert found["superiority_ratings"].reason == NO_SPREAD
    assert "every value is the same" in found["superiority_participant_means"].reason


MEANS = ("welch", "permutation", "brunner_munzel")


def reasons(tests: list[HypothesisTest]) -> dict[str, str]:
    return {t.name: t.reason for t in tests if t.name.endswith("participant_means")}


def test_participants_means_are_not_tested_where_features_were_rated_by_several(
    tmp_path: Path,
) -> None:
    ratings = [(f"p{i % 20}", "ab"[i % 2], f"f{i % 7}", 1 + i * i % 5) for i in range(140)]
    both = pair(tmp_path, ratings)
    found = reasons(hypothesis_tests_of(both, seed=0, resamples=100))
    assert set(found) == {f"{name}_participant_means" for name in MEANS}
    assert all("features were rated by several participants" in why for why in found.values())
    for e in superiorities(both):
        assert (e.low is None) == e.name.endswith("participant_means")
    within = [(f"p{i % 11}", "ab"[i % 2], f"f{i % 7}", 1 + i * i % 5) for i in range(140)]
    found = reasons(hypothesis_tests_of(pair(tmp_path, within), seed=0, resamples=100))
    assert list(found) == ["sign_flip_participant_means"]
    assert "features were rated by several participants" in found["sign_flip_participant_means"]


def test_one_listener_with_both_methods_does_not_make_the_study_a_within_design(
    tmp_path: Path,
) -> None:
    ratings = [(f"p{i % 20}", "ab"[i % 2], f"f{i}", 1 + i * i % 5) for i in range(60)]
    stray = [*ratings, ("p0", "b", "g", 3)]
    found = reasons(hypothesis_tests_of(pair(tmp_path, stray), seed=0, resamples=100))
    assert set(found) == {f"{name}_participant_means" for name in MEANS}
    assert all("1 of 20 participants rated both" in why for why in found.values())
    almost = [(f"p{i // 2}", "ab"[i % 2], f"f{i}", 1 + i * i % 5) for i in range(41)]
    found = reasons(hypothesis_tests_of(pair(tmp_path, almost), seed=0, resamples=100))
    assert list(found) == ["sign_flip_participant_means"]
    assert "only 20 of 21 participants rated both" in found["sign_flip_participant_means"]


def test_every_restricted_test_and_estimate_says_what_was_measured() -> None:
    assert all(rule.measured for rule in RULES.values())
    assert {name for name in RULES if name in PLANNABLE} == {
        "welch_participant_means",
        "permutation_participant_means",
        "brunner_munzel_participant_means",
        "sign_flip_participant_means",
    }
