"""Bradley–Terry strengths: a published table, a logistic regression, Davidson's ties."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import optimize

from analysis.arrays import Floats, Ints
from analysis.pairs.bradley_terry import (
    bounded,
    comparable_with,
    describe_strengths,
    fit_strengths,
)
from analysis.pairs.trials import pairs_of
from analysis.reading.table import read_responses
from tests.analysis.factories import write_csv
from tests.analysis.pairs.rows import pair_row

# Agresti (2002), Categorical Data Analysis, Table 10.10: wins in the American League, 1987.
TEAMS = ("Baltimore", "Milwaukee", "Detroit", "Toronto", "New York", "Boston", "Cleveland")
WINS = np.array(
    [
        [0, 2, 4, 1, 3, 1, 7],
        [11, 0, 7, 9, 7, 7, 9],
        [9, 6, 0, 7, 5, 11, 9],
        [12, 4, 6, 0, 7, 7, 8],
        [10, 6, 8, 6, 0, 6, 7],
        [12, 6, 2, 6, 7, 0, 7],
        [6, 4, 4, 5, 6, 6, 0],
    ]
)
PUBLISHED = (0, 1.581, 1.436, 1.294, 1.248, 1.108, 0.684)


def games() -> tuple[Ints, Ints, Floats, Floats]:
    """Each pair of teams twice: won by the first, and by the second, with how often."""
    pairs = np.array(list(combinations(range(7), 2)))
    first, second = np.tile(pairs.T, 2)
    answer = np.repeat([1.0, 0.0], len(pairs))
    weight = np.where(answer == 1, WINS[first, second], WINS[second, first]).astype(np.float64)
    return first, second, answer, weight


def test_strengths_are_those_of_the_published_table() -> None:
    first, second, answer, weight = games()
    found = fit_strengths(first, second, answer, 7, weight)
    assert found.value == pytest.approx(PUBLISHED, abs=6e-4)
    assert found.ties == 0


def test_without_ties_it_is_a_logistic_regression() -> None:
    rng = np.random.default_rng(3)
    first = rng.integers(0, 4, 300)
    second = (first + rng.integers(1, 4, 300)) % 4
    answer = (rng.random(300) < 1 / (1 + np.exp(0.6 * (second - first)))).astype(np.float64)
    found = fit_strengths(first, second, answer, 4)
    design = np.eye(4)[first] - np.eye(4)[second]
    twin = sm.Logit(answer, design[:, 1:]).fit(disp=0, tol=1e-12)
    assert found.value[1:] == pytest.approx(twin.params, abs=1e-6)
    assert found.log_likelihood == pytest.approx(twin.llf, abs=1e-8)
    # The sandwich with each trial as a cluster of its own is White's.
    white = np.asarray(sm.Logit(answer, design[:, 1:]).fit(disp=0, cov_type="HC0").bse)
    assert np.sqrt((found.influence[:, 1:] ** 2).sum(axis=0)) == pytest.approx(white, rel=1e-6)


def test_ties_are_davidsons() -> None:
    rng = np.random.default_rng(5)
    first = rng.integers(0, 3, 200)
    second = (first + rng.integers(1, 3, 200)) % 3
    answer = rng.choice([1.0, 0.5, 0.0], 200, p=[0.4, 0.25, 0.35])

    def minus(theta: Floats) -> float:
        strength, nu = np.exp(np.concatenate([[0.0], theta[:2]])), np.exp(theta[2])
        a, b = strength[first], strength[second]
        total = a + b + nu * np.sqrt(a * b)
        p = np.where(answer == 1, a, np.where(answer == 0, b, nu * np.sqrt(a * b))) / total
        return -float(np.log(p).sum())

    twin = optimize.minimize(minus, np.zeros(3), method="BFGS", options={"gtol": 1e-7})
    found = fit_strengths(first, second, answer, 3)
    assert found.value[1:] == pytest.approx(twin.x[:2], abs=1e-5)
    assert found.ties == pytest.approx(np.exp(twin.x[2]), abs=1e-5)
    assert found.log_likelihood == pytest.approx(-twin.fun, abs=1e-8)


def test_only_arms_that_won_and_lost_along_chains_are_comparable() -> None:
    first, second = np.array([0, 0, 1, 2, 3]), np.array([1, 1, 2, 1, 0])
    # Arm 3 only wins; arm 2 is joined with 0 by way of 1, one of whose trials is a tie.
    answer = np.array([1.0, 0.5, 1.0, 1.0, 1.0])
    assert comparable_with(first, second, answer, 4).tolist() == [True, True, True, False]


def test_an_arm_that_always_wins_is_not_estimable_and_the_others_are(tmp_path: Path) -> None:
    plain, one, two = ("plain", "", 0.0), ("steered", "add", 1.0), ("steered", "add", 2.0)
    rows = []
    for n in range(12):
        rows.append(pair_row(f"p{n % 4}", f"f{n % 3}", n + 1, (one, plain), float(n % 3 > 0), "a"))
        rows.append(pair_row(f"p{n % 4}", f"f{n % 3}", n + 20, (two, plain), 1.0, "a"))
    pairs = pairs_of(read_responses(write_csv(tmp_path / "r.csv", rows)))
    found = {e.name: e for e in describe_strengths(pairs, "a")}
    assert found["pair_strength_steered_add_1"].value == pytest.approx(np.log(2))
    # By listener only, an interval of features judged several times would cover too rarely.
    assert found["pair_strength_steered_add_1"].clustered_by == "participant and feature"
    assert "in all, or in none" in found["pair_strength_steered_add_2"].reason


@pytest.mark.parametrize("answers", [(1.0, 1.0, 0.5), (0.5, 0.5, 0.5)])
def test_with_ties_choices_in_one_direction_only_have_no_strengths(
    tmp_path: Path, answers: tuple[float, ...]
) -> None:
    plain, one, two = ("plain", "", 0.0), ("steered", "add", 1.0), ("steered", "add", 2.0)
    rows = []
    for n in range(12):
        for arm, trial in ((one, n + 1), (two, n + 20)):
            answer = answers[n % 3]
            rows.append(pair_row(f"p{n % 4}", f"f{n % 5}", trial, (arm, plain), answer, "a"))
    pairs = pairs_of(read_responses(write_csv(tmp_path / "r.csv", rows)))
    found = list(describe_strengths(pairs, "a"))
    assert {e.name for e in found} == {"pair_strength_steered_add_1", "pair_strength_steered_add_2"}
    assert all(e.value is None and "against the order" in e.reason for e in found)


def test_one_choice_against_the_order_makes_strengths_finite() -> None:
    first, second = np.array([1, 1, 1, 2, 2]), np.zeros(5, dtype=np.int64)
    assert not bounded(first, second, np.array([1.0, 1.0, 0.5, 1.0, 0.5]), 3)
    answer = np.array([1.0, 0.0, 0.5, 1.0, 0.5])
    assert bounded(first, second, answer, 3)
    found = fit_strengths(first, second, answer, 3)
    assert np.max(np.abs(found.value)) < 10
    assert 0 < found.ties < 10
