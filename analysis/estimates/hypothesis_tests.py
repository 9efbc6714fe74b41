"""The tests between two methods, and the adjustment of their p-values over all comparisons.

The plan says which tests are confirmatory (`plan`). If it names none, there is one per comparison:
the difference in mean confidence against zero, by Student's t on the recommended clustered standard
error; where every trial is an identification trial, the difference in chance-corrected accuracy
(`choice_comparisons`) instead. Confirmatory tests are adjusted by Holm; all others are exploratory
and are adjusted by Benjamini and Hochberg.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy import stats

from analysis.arrays import Floats
from analysis.estimates.clustering import BOTH, PARTICIPANT, Linear
from analysis.estimates.intervals import (
    NEGLIGIBLE,
    NO_SPREAD,
    ONE_PARTICIPANT,
    stream,
    welch_df,
)
from analysis.estimates.method_pairs import Pair
from analysis.estimates.multiplicity import benjamini_hochberg, holm
from analysis.estimates.participant_tests import (
    Permutation,
    equivalence,
    permutation_test,
    sign_flip_test,
    welch,
)
from analysis.estimates.results import HypothesisTest
from analysis.estimates.shared_features import paired
from analysis.estimates.superiority import SEPARATED, brunner_munzel, superiority
from analysis.reading.plan import DEFAULT_TEST, Plan

CONFIRMATORY, EXPLORATORY = "confirmatory", "exploratory"
EQUIVALENCE_BOUND = 0.5
"""Default bound of the equivalence test, steps of the scale."""


def hypothesis_tests_of(
    pair: Pair, *, seed: int, resamples: int, bound: float = EQUIVALENCE_BOUND
) -> list[HypothesisTest]:
    """Every test of one comparison, not yet adjusted."""
    main = mean_test(pair)
    found = [main, _paired_test(pair), _superiority_test(pair), _equivalence_test(pair, bound)]
    rng = stream(seed, f"permutation {pair.name}")
    if pair.crossed:
        return [*found, _sign_flips(pair, rng, resamples)]
    a, b = (side.total / side.weight for side in pair.sides(pair.values))
    return [
        *found,
        _permutations(pair, a, b, rng, resamples),
        _welch(pair, a, b),
        _brunner_munzel(pair, a, b),
    ]


def standard_error(pair: Pair) -> tuple[float, float] | None:
    """The recommended standard error of the difference in means, and its degrees of freedom.

    If each participant rated one method, and each feature was rated once per method: the sum of the
    two sides' variances by participant, with Welch–Satterthwaite degrees of freedom. Otherwise the
    recommended clustering of the pair, with clusters − 1. None without spread, or with one
    participant on a side.
    """
    a, b = pair.sides(pair.values)
    if min(a.n, b.n) < 2:
        return None
    linear = pair.linear(pair.values)
    if linear.recommended == PARTICIPANT and not pair.crossed:
        variance = a.variance() + b.variance()
        if variance <= NEGLIGIBLE:
            return None
        return float(np.sqrt(variance)), welch_df(a.variance(), a.n, b.variance(), b.n)
    variance = linear.variance(linear.recommended)
    df = linear.clusters(linear.recommended) - 1
    return (float(np.sqrt(variance)), float(df)) if variance > NEGLIGIBLE and df > 0 else None


def mean_test(pair: Pair) -> HypothesisTest:
    """The confirmatory test by default: no difference in mean confidence."""
    found = standard_error(pair)
    name, label = "difference_mean_confidence", "difference in mean confidence is zero"
    if found is None:
        return _none(pair, name, label, _why(pair), family=CONFIRMATORY)
    se, df = found
    linear = pair.linear(pair.values)
    t = linear.value / se
    return _made(
        pair,
        name,
        label,
        t,
        df,
        float(2 * stats.t.sf(abs(t), df)),
        family=CONFIRMATORY,
        note=f"Student's t, clustered by {linear.recommended}",
    )


def _paired_test(pair: Pair) -> HypothesisTest:
    name = "difference_paired_by_feature"
    label = "difference in mean confidence, paired by feature, is zero"
    linear = paired(pair)
    if linear is None:
        few = "fewer than two features were rated under both methods"
        return _none(pair, name, label, _why(pair) if pair.too_few else few)
    return _by_linear(pair, name, label, linear, BOTH, 0.0)


def _superiority_test(pair: Pair) -> HypothesisTest:
    name, label = "superiority_ratings", "superiority of ratings is one half"
    linear = superiority(pair.values, pair.is_a, pair.participant, pair.feature)
    return _by_linear(pair, name, label, linear, linear.recommended, 0.5, 1 if pair.crossed else 2)


def _by_linear(
    pair: Pair, name: str, label: str, linear: Linear, way: str, null: float, lost: int = 1
) -> HypothesisTest:
    """Student's t on the clustered standard error, clusters − `lost` degrees of freedom."""
    df = float(linear.clusters(way) - lost)
    found = None if pair.too_few else linear.p_value(way, df, null)
    if found is None:
        return _none(pair, name, label, _why(pair))
    return _made(pair, name, label, found[0], df, found[1], note=f"Student's t, clustered by {way}")


def _equivalence_test(pair: Pair, bound: float) -> HypothesisTest:
    name = "equivalence_mean_confidence"
    label = f"difference in mean confidence is {bound:g} or more, either way (equivalence, TOST)"
    found = standard_error(pair)
    if found is None:
        return _none(pair, name, label, _why(pair))
    # Of the two one-sided tests the one with the larger p decides, so its t is shown.
    tost = equivalence(pair.linear(pair.values).value, found[0], found[1], bound)
    t = tost.t_low if tost.p_low >= tost.p_high else tost.t_high
    return _made(pair, name, label, t, found[1], tost.p, note="the larger of two one-sided tests")


def _permutations(
    pair: Pair, a: Floats, b: Floats, rng: np.random.Generator, resamples: int
) -> HypothesisTest:
    found = permutation_test(a, b, rng=rng, resamples=resamples)
    return _rearranged(
        pair,
        "permutation_participant_means",
        "participants’ means come from one distribution (permutation)",
        found,
    )


def _sign_flips(pair: Pair, rng: np.random.Generator, resamples: int) -> HypothesisTest:
    a, b = pair.side(True, pair.values), pair.side(False, pair.values)
    both = (a.weight > 0) & (b.weight > 0)
    gaps = a.total[both] / a.weight[both] - b.total[both] / b.weight[both]
    found = sign_flip_test(gaps, rng=rng, resamples=resamples)
    return _rearranged(
        pair,
        "sign_flip_participant_means",
        "participants’ own differences are symmetric about zero (sign flips)",
        found,
    )


def _rearranged(pair: Pair, name: str, label: str, found: Permutation | None) -> HypothesisTest:
    if found is None:
        return _none(pair, name, label, _why(pair))
    kind = "all" if found.exact else "a random sample of"
    note = f"{'exact, ' if found.exact else ''}{kind} {found.n_rearrangements} rearrangements"
    return _made(pair, name, label, found.statistic, None, found.p, note=note)


def _welch(pair: Pair, a: Floats, b: Floats) -> HypothesisTest:
    name, label = "welch_participant_means", "participants’ means are equal on average (Welch)"
    found = welch(a, b)
    if found is None:
        return _none(pair, name, label, _why(pair))
    return _made(pair, name, label, found.statistic, found.df, found.p)


def _brunner_munzel(pair: Pair, a: Floats, b: Floats) -> HypothesisTest:
    name = "brunner_munzel_participant_means"
    label = "superiority of participants’ means is one half (Brunner and Munzel)"
    found = brunner_munzel(a, b)
    if found is None:
        return _none(pair, name, label, ONE_PARTICIPANT if min(len(a), len(b)) < 2 else SEPARATED)
    return _made(pair, name, label, found.statistic, found.df, found.p)


def _why(pair: Pair) -> str:
    a, b = pair.sides(pair.values)
    return ONE_PARTICIPANT if min(a.n, b.n) < 2 else NO_SPREAD


def _made(
    pair: Pair,
    name: str,
    label: str,
    statistic: float,
    df: float | None,
    p: float,
    *,
    family: str = EXPLORATORY,
    note: str = "",
) -> HypothesisTest:
    return HypothesisTest(
        name=name,
        label=label,
        method=pair.name,
        family=family,
        statistic=float(statistic),
        df=df,
        p=float(p),
        p_adjusted=None,
        n_participants=pair.n_participants,
        note=note,
    )


def _none(
    pair: Pair, name: str, label: str, reason: str, family: str = EXPLORATORY
) -> HypothesisTest:
    return HypothesisTest(
        name=name,
        label=label,
        method=pair.name,
        family=family,
        statistic=None,
        df=None,
        p=None,
        p_adjusted=None,
        n_participants=pair.n_participants,
        reason=reason,
    )


def in_families(
    tests: Sequence[HypothesisTest], plan: Plan, pair: tuple[str, str], default: str = DEFAULT_TEST
) -> list[HypothesisTest]:
    """The tests of one comparison, each in its family according to the plan, else `default`."""

    def family(t: HypothesisTest) -> str:
        return CONFIRMATORY if plan.family(t.name, pair, default) else EXPLORATORY

    return [dataclasses.replace(t, family=family(t)) for t in tests]


def adjusted(tests: Sequence[HypothesisTest]) -> list[HypothesisTest]:
    """The tests with p-values adjusted within each family, over all comparisons together."""
    done: dict[int, float] = {}
    for family, correct in ((CONFIRMATORY, holm), (EXPLORATORY, benjamini_hochberg)):
        places = [i for i, t in enumerate(tests) if t.family == family and t.p is not None]
        corrected = correct([p for i in places if (p := tests[i].p) is not None])
        done.update(zip(places, corrected, strict=True))
    return [dataclasses.replace(t, p_adjusted=done.get(i)) for i, t in enumerate(tests)]
