"""The tests between two methods, and the adjustment of their p-values over all comparisons.

The plan says which tests are confirmatory (`plan`). If it names none, there is one per comparison:
the difference in mean confidence against zero, by Student's t on the recommended clustered standard
error; where every trial is an identification trial, the difference in chance-corrected accuracy
(`choices.comparisons`) instead. Confirmatory tests are adjusted by Holm; all others are exploratory
and are adjusted by Benjamini and Hochberg.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from analysis.arrays import Floats
from analysis.estimates.clustering import BOTH, Linear
from analysis.estimates.comparisons import INVERTED, mean_hybrid, reached_at
from analysis.estimates.ends_of_scale import EXACT_ENDS, p_at_ends
from analysis.estimates.intervals import (
    LEVEL,
    NO_SPREAD,
    ONE_PARTICIPANT,
    stream,
    student_p,
)
from analysis.estimates.looks import sequential
from analysis.estimates.method_pairs import Pair, paired
from analysis.estimates.multiplicity import benjamini_hochberg, holm
from analysis.estimates.participant_tests import (
    Permutation,
    permutation_test,
    sign_flip_test,
    welch,
)
from analysis.estimates.results import HypothesisTest, Interval
from analysis.estimates.superiority import (
    brunner_munzel,
    lost_by,
    no_variance,
    superiority_of,
    why_no_brunner_munzel,
)
from analysis.estimates.validity import reason_against
from analysis.reading.looks import Look
from analysis.reading.plan import DEFAULT_TEST, EQUIVALENCE_TEST, Plan

CONFIRMATORY, EXPLORATORY = "confirmatory", "exploratory"
EQUIVALENCE_BOUND = 0.5
"""Default bound of the equivalence test, steps of the scale."""

SIGN_FLIPS, PERMUTATION = "sign_flip_participant_means", "permutation_participant_means"
WELCH, BRUNNER_MUNZEL = "welch_participant_means", "brunner_munzel_participant_means"
LABELS = {
    SIGN_FLIPS: "participants’ own differences are symmetric about zero (sign flips)",
    PERMUTATION: "participants’ means come from one distribution (permutation)",
    WELCH: "participants’ means are equal on average (Welch)",
    BRUNNER_MUNZEL: "superiority of participants’ means is one half (Brunner and Munzel)",
}
"""Tests of participants' means, and their null hypotheses."""


def hypothesis_tests_of(
    pair: Pair, *, seed: int, resamples: int, bound: float = EQUIVALENCE_BOUND
) -> list[HypothesisTest]:
    """Every test of one comparison, not yet adjusted."""
    main = mean_test(pair)
    found = [main, _paired_test(pair), _superiority_test(pair), _equivalence_test(pair, bound)]
    return found + _on_participants_means(pair, seed, resamples)


def _on_participants_means(pair: Pair, seed: int, resamples: int) -> list[HypothesisTest]:
    """Tests of one number per participant: of own differences, where most rated both methods.

    Each is made only in a design in which it holds (`validity`); elsewhere the reason stands in
    its place.
    """
    within = 2 * pair.n_rated_both > pair.n_participants
    names = (SIGN_FLIPS,) if within else (PERMUTATION, WELCH, BRUNNER_MUNZEL)
    design = pair.design
    against = {name: reason_against(name, design) for name in names}
    made = {
        SIGN_FLIPS: lambda name: _sign_flips(pair, name, seed, resamples),
        PERMUTATION: lambda name: _permutations(pair, name, seed, resamples),
        WELCH: lambda name: _welch(pair, name),
        BRUNNER_MUNZEL: lambda name: _brunner_munzel(pair, name),
    }
    return [
        not_made(pair, name, LABELS[name], against[name]) if against[name] else made[name](name)
        for name in names
    ]


def mean_test(pair: Pair) -> HypothesisTest:
    """The confirmatory test by default: no difference in mean confidence.

    Student's t on the recommended standard error. Where each side's ratings are all at one end of
    the scale there is no variance, and the test is exact (`ends_of_scale`). Its interval
    (`comparisons.mean_difference`) is this test inverted.
    """
    name, label = "difference_mean_confidence", "difference in mean confidence is zero"
    linear = pair.linear(pair.values)
    way = linear.recommended
    found = pair.standard_error(way)
    if found is not None:
        se, df = found
        return by_student(pair, name, label, linear.value / se, df, way, family=CONFIRMATORY)
    ends = pair.at_ends(way)
    if ends is None:
        return not_made(pair, name, label, pair.no_error(way), family=CONFIRMATORY)
    p = p_at_ends(*ends)
    return made(pair, name, label, None, None, p, family=CONFIRMATORY, note=EXACT_ENDS)


def _paired_test(pair: Pair) -> HypothesisTest:
    name = "difference_paired_by_feature"
    label = "difference in mean confidence, paired by feature, is zero"
    linear = paired(pair)
    if linear is None:
        few = "fewer than two features were rated under both methods"
        return not_made(pair, name, label, ONE_PARTICIPANT if pair.too_few else few)
    return _by_linear(pair, name, label, linear, BOTH, 0.0, NO_SPREAD)


def _superiority_test(pair: Pair) -> HypothesisTest:
    name, label = "superiority_ratings", "superiority of ratings is one half"
    linear, lost = superiority_of(pair), lost_by(pair)
    flat = no_variance(linear.value, pair.values)
    return _by_linear(pair, name, label, linear, linear.recommended, 0.5, flat, lost)


def _by_linear(
    pair: Pair,
    name: str,
    label: str,
    linear: Linear,
    way: str,
    null: float,
    flat: str,
    lost: int = 1,
) -> HypothesisTest:
    """Student's t on the clustered standard error, clusters − `lost` degrees of freedom.

    `flat` says why there is no variance, if there is none.
    """
    df = float(linear.clusters(way) - lost)
    found = None if pair.too_few else linear.p_value(way, df, null)
    if found is None:
        few = linear.too_few(way, lost) if df < 1 else flat
        return not_made(pair, name, label, ONE_PARTICIPANT if pair.too_few else few)
    return by_student(pair, name, label, found[0], df, way)


def _equivalence_test(pair: Pair, bound: float) -> HypothesisTest:
    """Two one-sided tests (Schuirmann 1987, J. Pharmacokinetics and Biopharmaceutics 15, 657–680).

    They invert `comparisons.mean_hybrid`: rejected at α if its interval of 1 − 2α is within ±bound.
    Not made where one side's mean has no interval, as with equal ratings or with a single feature.
    """
    name = EQUIVALENCE_TEST
    label = f"difference in mean confidence is {bound:g} or more, either way (equivalence, TOST)"
    way = pair.linear(pair.values).recommended
    if pair.standard_error(way) is None:
        return not_made(pair, name, label, pair.no_error(way))
    interval, value = mean_hybrid(pair, way), pair.linear(pair.values).value
    if (found := interval(LEVEL)).low is None:
        return not_made(pair, name, label, found.reason)
    p = max(_one_sided(interval, value, side * bound) for side in (-1, 1))
    note = f"the larger of two one-sided tests; {INVERTED}, by {way}"
    return made(pair, name, label, None, None, p, note=note)


def _one_sided(interval: Callable[[float], Interval], value: float, bound: float) -> float:
    """The p-value against a difference of `bound` or beyond; over a half if `value` is beyond."""
    within = (bound - value) * bound > 0
    upper = within == (bound > 0)

    def distance(level: float) -> float:
        """From the interval's limit next to the bound to the bound, while it is not reached."""
        found = interval(level)
        near = (found.high if upper else found.low) or 0.0
        return bound - near if upper else near - bound

    half = reached_at(distance) / 2
    return half if within else 1 - half


def _permutations(pair: Pair, name: str, seed: int, resamples: int) -> HypothesisTest:
    a, b = _means(pair)
    rng = stream(seed, f"permutation {pair.name}")
    return _rearranged(pair, name, permutation_test(a, b, rng=rng, resamples=resamples), _why(a, b))


def _sign_flips(pair: Pair, name: str, seed: int, resamples: int) -> HypothesisTest:
    a, b = pair.side(True, pair.values), pair.side(False, pair.values)
    both = (a.weight > 0) & (b.weight > 0)
    gaps = a.total[both] / a.weight[both] - b.total[both] / b.weight[both]
    rng = stream(seed, f"permutation {pair.name}")
    found = sign_flip_test(gaps, rng=rng, resamples=resamples)
    few = len(gaps) < 2
    why = ONE_PARTICIPANT if few else "every participant rated both methods the same on average"
    return _rearranged(pair, name, found, why)


def _rearranged(pair: Pair, name: str, found: Permutation | None, why: str) -> HypothesisTest:
    if found is None:
        return not_made(pair, name, LABELS[name], why)
    kind = "all" if found.exact else "a random sample of"
    note = f"{'exact, ' if found.exact else ''}{kind} {found.n_rearrangements} rearrangements"
    return made(pair, name, LABELS[name], found.statistic, None, found.p, note=note)


def _welch(pair: Pair, name: str) -> HypothesisTest:
    a, b = _means(pair)
    found = welch(a, b)
    if found is None:
        return not_made(pair, name, LABELS[name], _why(a, b))
    return made(pair, name, LABELS[name], found.statistic, found.df, found.p)


def _brunner_munzel(pair: Pair, name: str) -> HypothesisTest:
    a, b = _means(pair)
    found = brunner_munzel(a, b)
    if found is None:
        return not_made(pair, name, LABELS[name], why_no_brunner_munzel(a, b))
    return made(pair, name, LABELS[name], found.statistic, found.df, found.p)


def _means(pair: Pair) -> tuple[Floats, Floats]:
    """Each participant's mean rating, on each side."""
    a, b = (side.total / side.weight for side in pair.sides(pair.values))
    return a, b


def _why(a: Floats, b: Floats) -> str:
    """Why a test of participants' means cannot be made."""
    if min(len(a), len(b)) < 2:
        return ONE_PARTICIPANT
    return "the participants of each method all have the same mean rating"


def by_student(
    pair: Pair,
    name: str,
    label: str,
    t: float,
    df: float,
    way: str,
    *,
    family: str = EXPLORATORY,
) -> HypothesisTest:
    """A test by Student's t on the standard error under one clustering."""
    note = f"Student's t, clustered by {way}"
    return made(pair, name, label, t, df, student_p(t, df), family=family, note=note)


def made(
    pair: Pair,
    name: str,
    label: str,
    statistic: float | None,
    df: float | None,
    p: float,
    *,
    family: str = EXPLORATORY,
    note: str = "",
) -> HypothesisTest:
    """A test of the pair, not yet adjusted for others."""
    return HypothesisTest(
        name=name,
        label=label,
        method=pair.name,
        family=family,
        statistic=None if statistic is None else float(statistic),
        df=df,
        p=float(p),
        n_participants=pair.n_participants,
        note=note,
    )


def not_made(
    pair: Pair, name: str, label: str, reason: str, family: str = EXPLORATORY
) -> HypothesisTest:
    """A test that cannot be made, because of `reason`."""
    return HypothesisTest(
        name=name,
        label=label,
        method=pair.name,
        family=family,
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


def adjusted(tests: Sequence[HypothesisTest], look: Look | None = None) -> list[HypothesisTest]:
    """The tests with p-values adjusted within each family, over all comparisons together.

    At a planned look Holm's method takes the confirmatory tests' sequential p-values (`looks`).
    """
    done: dict[int, float] = {}
    for family, correct in ((CONFIRMATORY, holm), (EXPLORATORY, benjamini_hochberg)):
        places = [i for i, t in enumerate(tests) if t.family == family and t.p is not None]
        own = [p for i in places if (p := tests[i].p) is not None]
        corrected = correct(sequential(own, look) if family == CONFIRMATORY else own)
        done.update(zip(places, corrected, strict=True))
    return [dataclasses.replace(t, p_adjusted=done.get(i)) for i, t in enumerate(tests)]
