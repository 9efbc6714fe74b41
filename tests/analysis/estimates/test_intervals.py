"""Intervals against published values and slow references: `analysis.estimates.intervals`."""

import time

import numpy as np
import pytest
from scipy import stats

from analysis.estimates.intervals import (
    NO_SPREAD,
    ONE_PARTICIPANT,
    STUDENT,
    STUDENTISED,
    ClusterSums,
    cluster_sums,
    clustered_variance,
    codes,
    mean_interval,
    multinomial_weights,
    stream,
    studentised_roots,
    two_way_variance,
    wilson,
)


def sample(participants: int, trials: int, seed: int = 0) -> ClusterSums:
    rng = np.random.default_rng(seed)
    ratings = rng.integers(1, 6, size=participants * trials).astype(float)
    return cluster_sums(ratings, np.repeat(np.arange(participants), trials), participants)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_as_in_newcombe_1998_table_1(hits: int, n: int, low: float, high: float) -> None:
    assert wilson(hits / n, n, 1.959964) == pytest.approx((low, high), abs=5e-5)


def test_equal_clusters_give_the_t_test_s_standard_error() -> None:
    sums = sample(12, 10)
    assert np.sqrt(sums.variance()) == pytest.approx(stats.sem(sums.total / 10), abs=1e-12)


def test_studentised_roots_are_those_of_resampling_by_hand() -> None:
    sums = ClusterSums(np.array([8.0, 3.0, 12.0, 4.0]), np.array([2.0, 1.0, 4.0, 1.0]))
    means, variances = studentised_roots(sums, stream(7, "x"), 5)
    drawn = next(multinomial_weights(stream(7, "x"), 4, 5))
    for row in range(5):
        index = np.repeat(np.arange(4), drawn[row].astype(int))
        again = ClusterSums(sums.total[index], sums.weight[index])
        assert means[row] == pytest.approx(again.mean, abs=1e-12)
        assert variances[row] == pytest.approx(again.variance(), abs=1e-12)


def test_blocks_of_resamples_hold_all_of_them() -> None:
    blocks = list(multinomial_weights(stream(0, "x"), 10, 25, cells=100))
    assert [len(b) for b in blocks] == [10, 10, 5]
    assert all((b.sum(axis=1) == 10).all() for b in blocks)


def test_the_interval_is_that_of_its_seed_and_name() -> None:
    def once(seed: int, name: str) -> tuple[float | None, float | None]:
        found = mean_interval(sample(20, 5), rng=stream(seed, name), resamples=200)
        return found.low, found.high

    assert once(0, "a") == once(0, "a")
    assert once(0, "a") != once(1, "a")
    assert once(0, "a") != once(0, "b")


def test_few_participants_use_student_s_t() -> None:
    sums = sample(5, 10)
    found = mean_interval(sums, rng=stream(0, "x"), resamples=200)
    half = stats.t.ppf(0.975, 4) * stats.sem(sums.total / 10)
    assert found.kind == STUDENT
    assert found.low == pytest.approx(sums.mean - half, abs=1e-12)
    assert found.high == pytest.approx(sums.mean + half, abs=1e-12)


def test_no_interval_without_two_participants_or_spread() -> None:
    one = ClusterSums(np.array([8.0]), np.array([2.0]))
    same = ClusterSums(np.full(9, 8.0), np.full(9, 2.0))
    assert mean_interval(one, rng=stream(0, "x"), resamples=100).reason == ONE_PARTICIPANT
    assert mean_interval(same, rng=stream(0, "x"), resamples=100).reason == NO_SPREAD


def test_limits_stay_on_the_scale() -> None:
    sums = ClusterSums(np.array([50.0] * 8 + [10.0]), np.full(9, 10.0))
    found = mean_interval(sums, rng=stream(0, "x"), resamples=500, bounds=(1, 5))
    assert found.high is not None
    assert found.high <= 5


def test_two_way_variance_is_a_sum_over_pairs_that_share_a_cluster() -> None:
    rng = np.random.default_rng(3)
    u = rng.normal(size=60)
    first, second = np.repeat(np.arange(12), 5), rng.integers(0, 8, size=60)
    first, second = codes(first)[0], codes(second)[0]
    both = len(set(zip(first, second, strict=True)))

    def slow(same: object, n: int) -> float:
        return float(
            sum(u[i] * u[j] for i in range(60) for j in range(60) if same(i, j)) * n / (n - 1)
        )  # type: ignore[operator]

    parts = (
        slow(lambda i, j: first[i] == first[j], 12),
        slow(lambda i, j: second[i] == second[j], int(second.max()) + 1),
        slow(lambda i, j: first[i] == first[j] and second[i] == second[j], both),
    )
    expected = max(parts[0] + parts[1] - parts[2], parts[0], parts[1])
    assert two_way_variance(u, first, second) == pytest.approx(expected, abs=1e-12)
    assert clustered_variance(u, first, 12) == pytest.approx(parts[0], abs=1e-12)


def test_ten_thousand_resamples_of_800_responses_take_under_a_second() -> None:
    start = time.process_time()
    found = mean_interval(sample(80, 10), rng=stream(0, "x"), resamples=10_000)
    assert time.process_time() - start < 1
    assert found.kind == STUDENTISED


def test_the_interval_of_a_mean_holds_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(200):
        latent = rng.normal(0, 0.8, size=(40, 1)) + rng.normal(size=(40, 10))
        ratings = 1.0 + np.searchsorted([-1.5, -0.5, 0.5, 1.5], latent.ravel())
        sums = cluster_sums(ratings, np.repeat(np.arange(40), 10), 40)
        found = mean_interval(sums, rng=rng, resamples=400)
        hits += (found.low or 9) <= 3.0 <= (found.high or 0)
    assert 183 <= hits <= 198
