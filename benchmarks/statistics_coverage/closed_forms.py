"""What has a closed form: means, shares, differences and their tests; Holm's and BH's families."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations

import numpy as np

from analysis.estimates.clustering import FEATURE, PARTICIPANT
from analysis.estimates.comparisons import compare
from analysis.estimates.descriptives import describe, means_share
from analysis.estimates.hypothesis_tests import (
    CONFIRMATORY,
    adjusted,
    hypothesis_tests_of,
    in_families,
)
from analysis.estimates.intervals import stream
from analysis.estimates.method_pairs import Pair
from analysis.estimates.participant_tests import welch
from analysis.estimates.results import HypothesisTest
from analysis.reading.plan import Plan
from benchmarks.statistics_coverage.cells import Cell
from benchmarks.statistics_coverage.population import (
    STEPS,
    Population,
    population_of,
    superiority_of,
)
from benchmarks.statistics_coverage.studies import Side, draw, pair_of, ratings_of
from benchmarks.statistics_coverage.tally import ALPHA, ASIDE, FALSE, Tally

RESAMPLES = 199
"""Rearrangements of a permutation test; with 19, 199, … its level is exact."""
EXPECTED = 200
"""Studies from which the expected share of units with a mean of 4 or more is taken."""
EVERY = 4
"""Every fourth study has the third method, whose mean is half a step away."""
EQUIVALENCE = "equivalence_mean_confidence"
HALF_A_STEP = ", half a step apart"


def measure_ratings(cell: Cell, rng: np.random.Generator, studies: int) -> Tally:
    """Two equal methods, and in every fourth study one that is half a step away."""
    population, tally = population_of(cell), Tally()
    truth = truths(population, 0.0)
    shares = expected_shares(cell)
    for number in range(studies):
        shifts = (0.0, 0.0) if number % EVERY else (0.0, 0.0, population.shift)
        sides = draw(population, rng, shifts)
        _one_method(tally, sides[0], truth | shares)
        measure_equal(tally, pair_of(sides[0], sides[1]))
        if len(sides) > 2:
            _apart(tally, pair_of(sides[2], sides[0]), population)
    return tally


def _one_method(tally: Tally, side: Side, truth: dict[str, float]) -> None:
    ratings = ratings_of(side)
    ways = (ratings.linear(ratings.values).recommended,)
    tally.estimates(describe(ratings, seed=0, resamples=RESAMPLES, ways=ways), truth)


EQUAL = dict.fromkeys(
    (
        "difference_mean_confidence",
        "difference_paired_by_feature",
        "difference_share_at_least_4",
        "difference_share_equal_5",
        "cliffs_delta_ratings",
        "cliffs_delta_participant_means",
    ),
    0.0,
) | {"superiority_ratings": 0.5, "superiority_participant_means": 0.5}
"""What is true of two equal methods."""


def measure_equal(tally: Tally, pair: Pair) -> None:
    """Everything about the difference of two equal methods."""
    ways = (pair.linear(pair.values).recommended,)
    tally.estimates(compare(pair, seed=0, resamples=RESAMPLES, ways=ways), EQUAL)
    tests = hypothesis_tests_of(pair, seed=int(pair.values.sum()), resamples=RESAMPLES)
    tally.tests(tests, but=(EQUIVALENCE,))
    # What the report does not say, to show why: every rating, or listener, as independent.
    pooled = welch(pair.values[pair.is_a], pair.values[~pair.is_a])
    tally.count(f"{ASIDE}{FALSE}Welch of all ratings", bool(pooled and pooled.p < ALPHA))
    means = welch(*(s.total / s.weight for s in pair.sides(pair.values)))
    tally.count(f"{ASIDE}{FALSE}Welch of listeners’ means", bool(means and means.p < ALPHA))


def _apart(tally: Tally, pair: Pair, population: Population) -> None:
    """The third method minus the first, for which the bound of the equivalence test holds."""
    moved, still = (population.answers(s) for s in (population.shift, 0.0))
    theta = superiority_of(moved, still)
    truth = {
        "difference_mean_confidence": population.apart,
        "difference_paired_by_feature": population.apart,
        "difference_share_at_least_4": float((moved - still)[3:].sum()),
        "difference_share_equal_5": float((moved - still)[4]),
        "superiority_ratings": theta,
        "cliffs_delta_ratings": 2 * theta - 1,
    }
    ways = (pair.linear(pair.values).recommended,)
    found = compare(pair, seed=0, resamples=RESAMPLES, ways=ways)
    tally.estimates([e for e in found if e.name in truth], truth, HALF_A_STEP)
    tests = hypothesis_tests_of(pair, seed=0, resamples=RESAMPLES)
    tally.tests([t for t in tests if t.name == EQUIVALENCE])


def truths(population: Population, shift: float) -> dict[str, float]:
    """The true mean, standard deviation and shares of one method."""
    answers = population.answers(shift)
    mean = float(STEPS @ answers)
    return {
        "mean_confidence": mean,
        "sd_confidence": math.sqrt(float((STEPS - mean) ** 2 @ answers)),
        "share_at_least_4": float(answers[3:].sum()),
        **{f"share_equal_{step}": float(answers[step - 1]) for step in range(1, 6)},
    }


@lru_cache(maxsize=4096)
def _expected_shares(cell: Cell) -> tuple[tuple[str, float], ...]:
    population, rng = population_of(cell), stream(0, f"expected {cell.name}")
    found: dict[str, list[float]] = {}
    for _ in range(EXPECTED):
        ratings = ratings_of(draw(population, rng, (0.0,))[0])
        for unit in (FEATURE, PARTICIPANT):
            for strict in (False, True):
                for one in means_share(ratings, unit, strict=strict, ways=(unit,)):
                    found.setdefault(one.name, []).append(one.value or 0.0)
    return tuple((name, float(np.mean(values))) for name, values in found.items())


def expected_shares(cell: Cell) -> dict[str, float]:
    """The expected shares of listeners, and of features, whose mean rating is 4 or more."""
    return dict(_expected_shares(cell))


def measure_families(cell: Cell, rng: np.random.Generator, studies: int) -> Tally:
    """Three and five equal methods: is any difference found in the family, after adjustment?"""
    tally = Tally()
    for _ in range(studies):
        sides = draw(population_of(cell), rng, (0.0,) * 5)
        for methods in (3, 5):
            tests = _family(sides[:methods])
            planned, others = ([t for t in found if _rejects(t)] for found in _by_family(tests))
            tally.count(f"{FALSE}Holm over {methods} methods", bool(planned))
            # BH bounds the share of rejections that are false; equivalence is rightly found.
            false = sum(t.name != EQUIVALENCE for t in others)
            share = false / max(len(others), 1)
            tally.count(f"{FALSE}BH over {methods} methods, share of findings", share)
    return tally


def _by_family(tests: list[HypothesisTest]) -> tuple[list[HypothesisTest], list[HypothesisTest]]:
    """The confirmatory and the exploratory tests."""
    planned = [t for t in tests if t.family == CONFIRMATORY]
    return planned, [t for t in tests if t.family != CONFIRMATORY]


def _rejects(test: HypothesisTest) -> bool:
    return test.p_adjusted is not None and test.p_adjusted < ALPHA


def _family(sides: Sequence[Side]) -> list[HypothesisTest]:
    tests: list[HypothesisTest] = []
    for i, j in combinations(range(len(sides)), 2):
        pair = pair_of(sides[i], sides[j])
        made = hypothesis_tests_of(pair, seed=i, resamples=RESAMPLES)
        tests += in_families(made, Plan(), (f"{i}", f"{j}"))
    return adjusted(tests)
