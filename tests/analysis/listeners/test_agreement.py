"""Agreement against published values: `analysis.listeners.agreement`."""

import time
from collections.abc import Sequence
from itertools import permutations

import krippendorff
import numpy as np
import pytest
from scipy import stats

from analysis.arrays import Floats
from analysis.estimates.intervals import stream
from analysis.listeners.agreement import (
    JACKKNIFE,
    ONE_CATEGORY,
    ONE_RATING,
    ONE_UNIT,
    TOO_FEW,
    Judged,
    agree,
    brennan_prediger,
    counts_table,
    gwet,
    gwet_ordinal,
    icc_oneway,
    krippendorff_interval,
    krippendorff_nominal,
    krippendorff_ordinal,
    ordinal_similarity,
    sparse_counts,
)

KRIPPENDORFF_2011 = [
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
]
"""Observers A to D, units 1 to 12, a point where a value is missing."""

FLEISS_1971 = """0 0 0 6 0|0 3 0 0 3|0 1 4 0 1|0 0 0 0 6|0 3 0 3 0|2 0 4 0 0|0 0 4 0 2|2 0 3 1 0|
2 0 0 4 0|0 0 0 0 6|1 0 0 5 0|1 1 0 4 0|0 3 3 0 0|1 0 0 5 0|0 2 0 3 1|0 0 5 0 1|3 0 0 1 2|
5 1 0 0 0|0 2 0 4 0|1 0 2 0 3|0 0 0 0 6|0 1 0 5 0|0 2 0 1 3|2 0 0 4 0|1 0 0 4 1|0 5 0 1 0|
4 0 0 0 2|0 2 0 4 0|1 0 5 0 0|0 0 0 0 6"""
"""30 patients, 6 psychiatrists each, 5 diagnoses."""

SHROUT_FLEISS_1979 = [
    [9, 2, 5, 8],
    [6, 1, 3, 2],
    [8, 4, 6, 8],
    [7, 1, 2, 6],
    [10, 5, 6, 9],
    [6, 2, 4, 7],
]


def krippendorff_counts() -> Floats:
    cells = [line.split() for line in KRIPPENDORFF_2011]
    pairs = [(u, int(row[u]) - 1) for row in cells for u in range(12) if row[u] != "."]
    unit, category = (np.array(x) for x in zip(*pairs, strict=True))
    return counts_table(unit, category, 12, 5)


def fleiss_counts() -> Floats:
    rows = FLEISS_1971.replace("\n", "").split("|")
    return np.array([[float(c) for c in row.split()] for row in rows])


def one(counts: Floats) -> Floats:
    return np.ones((1, len(counts)))


def test_krippendorff_s_alpha_as_in_krippendorff_2011() -> None:
    counts = krippendorff_counts()
    assert krippendorff_nominal(counts, one(counts))[0] == pytest.approx(0.743, abs=5e-4)
    assert krippendorff_ordinal(counts, one(counts))[0] == pytest.approx(0.815, abs=5e-4)


@pytest.mark.parametrize("seed", range(3))
def test_krippendorff_s_alpha_is_the_package_s(seed: int) -> None:
    # Ours is kept for its bootstrap in matrix products; the package checks it.
    rng = np.random.default_rng(seed)
    level = rng.integers(0, 4, 30)
    rated = np.clip(level[None, :] + rng.integers(-1, 2, (5, 30)), 0, 4).astype(float)
    rated[rng.random((5, 30)) < 0.3] = np.nan
    observer, unit = np.nonzero(np.isfinite(rated))
    counts = counts_table(unit, rated[observer, unit].astype(np.int64), 30, 5)
    value = np.array([0.0, 0.1, 0.7, 1.5, 4.0])
    theirs = krippendorff.alpha(
        np.where(np.isfinite(rated), value[np.nan_to_num(rated).astype(int)], np.nan),
        level_of_measurement="interval",
    )
    interval = krippendorff_interval(counts, one(counts), value)[0]
    assert interval == pytest.approx(theirs, abs=1e-9)
    for ours, name in ((krippendorff_nominal, "nominal"), (krippendorff_ordinal, "ordinal")):
        theirs = krippendorff.alpha(rated, level_of_measurement=name, value_domain=list(range(5)))
        assert ours(counts, one(counts))[0] == pytest.approx(theirs, abs=1e-9)


def test_gwet_s_ac1_as_in_gwet_2008_and_2014() -> None:
    # Two raters, 118 / 5 / 2 / 0: kappa is below 0 where 94 % agree; AC1 is 0.9408.
    two = np.array([[2.0, 0.0]] * 118 + [[1.0, 1.0]] * 7)
    assert gwet(two, one(two))[0] == pytest.approx(0.9408, abs=5e-5)
    counts = krippendorff_counts()
    assert gwet(counts, one(counts))[0] == pytest.approx(0.77544, abs=5e-6)


def test_gwet_s_ac2_is_its_definition_over_pairs_of_ratings() -> None:
    counts = krippendorff_counts()
    alike = ordinal_similarity(5)
    agreed, shares = [], []
    for row in counts:
        ratings = np.repeat(np.arange(5), row.astype(int))
        shares.append(np.bincount(ratings, minlength=5) / len(ratings))
        if len(ratings) > 1:
            agreed.append(np.mean([alike[a, b] for a, b in permutations(ratings, 2)]))
    pi = np.mean(shares, axis=0)
    chance = alike.sum() * np.sum(pi * (1 - pi)) / 20
    expected = (np.mean(agreed) - chance) / (1 - chance)
    assert gwet_ordinal(counts, one(counts))[0] == pytest.approx(expected, abs=1e-12)


def test_gwet_s_ordinal_weights() -> None:
    assert ordinal_similarity(5)[0].tolist() == pytest.approx([1, 0.9, 0.7, 0.4, 0])


def test_brennan_prediger_is_agreement_beyond_one_in_five() -> None:
    counts = np.array([[2.0, 0], [1, 1], [2, 0], [0, 2]])
    assert brennan_prediger(counts, one(counts), 5)[0] == pytest.approx((0.75 - 0.2) / 0.8)


def test_brennan_prediger_corrects_each_unit_for_its_own_options() -> None:
    counts = np.array([[2.0, 0], [1, 1], [2, 0], [0, 2]])
    options = np.array([2, 5, 4, 5])
    expected = np.mean([1, (0 - 0.2) / 0.8, 1, 1])
    assert brennan_prediger(counts, one(counts), options)[0] == pytest.approx(expected)


def test_a_sparse_table_gives_the_same_coefficients() -> None:
    rng = np.random.default_rng(0)
    unit, category = rng.integers(0, 40, 200), rng.integers(0, 30, 200)
    unit[:40] = np.arange(40)
    tables = [make(unit, category, 40, 30) for make in (counts_table, sparse_counts)]
    drawn = rng.multinomial(40, np.full(40, 1 / 40), size=5).astype(float)
    alphas = [krippendorff_nominal(table, drawn) for table in tables]
    assert alphas[0] == pytest.approx(alphas[1], abs=1e-12)
    found = [brennan_prediger(table, drawn, 5) for table in tables]
    assert found[0] == pytest.approx(found[1], abs=1e-12)


def test_thousands_of_labels_take_no_square_of_their_number() -> None:
    # 4,000 features of five labels each: an identity of all labels would have 400 million cells.
    features = 4000
    unit = np.repeat(np.arange(features), 5)
    label = 5 * unit + np.random.default_rng(0).integers(0, 5, len(unit))
    table = sparse_counts(unit, label, features, 5 * features)
    start = time.process_time()
    assert brennan_prediger(table, np.ones((1, features)), 5)[0] == pytest.approx(0, abs=0.02)
    assert time.process_time() - start < 1


def test_icc_from_counts_is_icc_1_1_of_shrout_and_fleiss_1979() -> None:
    table = np.array(SHROUT_FLEISS_1979)
    counts = counts_table(np.repeat(np.arange(6), 4), table.ravel() - 1, 6, 10)
    found = icc_oneway(counts, one(counts))[0]
    assert found == pytest.approx(0.1657, abs=5e-5)


def test_icc_of_unequal_ratings_is_the_anova_estimator() -> None:
    groups = [[1, 2], [4, 5, 5], [3], [2, 2, 1, 3]]
    counts = np.array([np.bincount(g, minlength=6)[1:] for g in groups], dtype=float)
    flat = np.concatenate(groups)
    n = np.array([len(g) for g in groups])
    between = sum(len(g) * (np.mean(g) - flat.mean()) ** 2 for g in groups) / 3
    inside = sum(np.sum((np.array(g) - np.mean(g)) ** 2) for g in groups) / (10 - 4)
    n0 = (10 - np.sum(n**2) / 10) / 3
    expected = (between - inside) / (between + (n0 - 1) * inside)
    assert icc_oneway(counts, one(counts))[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "coefficient",
    [krippendorff_nominal, krippendorff_ordinal, gwet, gwet_ordinal, icc_oneway],
)
def test_a_resample_is_the_coefficient_of_its_repeated_units(coefficient: object) -> None:
    assert callable(coefficient)
    counts = krippendorff_counts()
    drawn = np.random.default_rng(0).multinomial(12, np.full(12, 1 / 12), size=6).astype(float)
    values = coefficient(counts, drawn)
    for row in range(6):
        again = np.repeat(counts, drawn[row].astype(int), axis=0)
        assert values[row] == pytest.approx(coefficient(again, one(again))[0], abs=1e-12)


def judged(counts: Sequence[Sequence[int]]) -> Judged:
    """Ratings with these counts [unit, category], each unit's by listeners 0, 1, …"""
    table = np.array(counts)
    unit, category = np.nonzero(table)
    times = table[unit, category]
    unit, category = np.repeat(unit, times), np.repeat(category, times)
    listener = np.concatenate([np.arange(n) for n in table.sum(axis=1)])
    return Judged(unit, category, listener, *table.shape)


def rated(rng: np.random.Generator, listeners: int, units: int) -> Judged:
    """Every listener rated every unit; both have levels of their own."""
    unit, listener = np.divmod(np.arange(units * listeners), listeners)
    latent = 0.7 * rng.normal(size=units)[unit] + 0.7 * rng.normal(size=listeners)[listener]
    latent += rng.normal(size=len(unit))
    category = np.clip(np.round(latent + 2), 0, 4).astype(np.int64)
    return Judged(unit, category, listener, units, 5)


def test_the_interval_is_the_jackknife_over_units_and_over_listeners() -> None:
    ratings = rated(np.random.default_rng(1), listeners=12, units=40)
    found = agree(icc_oneway, ratings, rng=stream(0, "k"))
    assert found == agree(icc_oneway, ratings, rng=stream(0, "k"))
    assert (found.interval.kind, found.n_units) == (JACKKNIFE, 40)
    variance = 0.0
    for number, of in ((40, ratings.unit), (12, ratings.listener)):
        each = []
        for left_out in range(number):
            counts = ratings.of(of != left_out)
            counts = counts[counts.sum(axis=1) > 0]
            each.append(icc_oneway(counts, one(counts))[0])
        variance += (number - 1) / number * np.sum((np.array(each) - np.mean(each)) ** 2)
    value = found.value or 0
    half = stats.t.ppf(0.975, 11) * np.sqrt(variance) / (1 - value**2)
    assert found.interval.low == pytest.approx(np.tanh(np.arctanh(value) - half))
    assert found.interval.high == pytest.approx(np.tanh(np.arctanh(value) + half))


def test_the_interval_covers_the_agreement_of_other_listeners_too() -> None:
    """A quick check that a bootstrap of units fails: 70 % with ten listeners."""
    rng = np.random.default_rng(0)
    truth = np.mean([icc_oneway(r.counts, one(r.counts))[0]
                     for r in (rated(rng, 100, 200) for _ in range(20))])  # fmt: skip
    intervals = [
        agree(icc_oneway, rated(rng, 10, 40), rng=stream(0, "c")).interval for _ in range(80)
    ]
    held = [i.low is not None and i.low <= truth <= (i.high or 1) for i in intervals]
    assert np.mean(held) >= 0.88


def test_with_few_units_or_listeners_there_is_no_interval() -> None:
    rng = np.random.default_rng(0)
    for listeners, units in ((12, 29), (9, 40)):
        found = agree(gwet, rated(rng, listeners, units), rng=stream(0, "x"))
        assert found.value is not None
        assert found.interval.reason == TOO_FEW


def test_what_cannot_be_estimated_says_why() -> None:
    single = judged(np.eye(5, dtype=int).tolist())
    same = judged([[3, 0], [2, 0]])
    for coefficient in (krippendorff_nominal, krippendorff_ordinal, icc_oneway):
        assert agree(coefficient, single, rng=stream(0, "x")).interval.reason == ONE_RATING
        found = agree(coefficient, same, rng=stream(0, "x"))
        assert (found.value, found.interval.reason) == (None, ONE_CATEGORY)
    found = agree(icc_oneway, judged([[2, 1]]), rng=stream(0, "x"))
    assert (found.value, found.interval.reason) == (None, ONE_UNIT)  # its ratings do differ
