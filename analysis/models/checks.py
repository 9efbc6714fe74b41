"""What is asked of the joint ordinal model besides its contrasts.

A test of all methods at once, where there are more than two, and the two checks of its assumptions
(`assumptions`), as descriptions (`NO_P`), with what they would change: each comparison's effect at
each cut of the scale, and the ratio of the methods' latent spreads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from analysis.estimates.hypothesis_tests import EXPLORATORY
from analysis.estimates.intervals import LEVEL
from analysis.estimates.results import Counts, Estimate, HypothesisTest, Interval, Quantity
from analysis.models.assumptions import Nominal, Ratio, Scale, fit_nominal, fit_scale
from analysis.models.data import NotFitted
from analysis.models.joint import Joint
from analysis.models.mixed import ALL_METHODS

OMNIBUS, ODDS, SCALE = "clmm_logit_omnibus", "clmm_proportional_odds", "clmm_equal_scale"
LABELS = {
    OMNIBUS: "no method differs from any other on the latent scale (joint mixed model, logit)",
    ODDS: "a method’s effect is the same at every cut of the scale (proportional odds)",
    SCALE: "ratings vary equally around each method’s level on the latent scale (equal scale)",
}
"""Each test's null hypothesis."""
CHECK = "check"
NO_P = (
    "no p-value: listeners who each spread their answers more or less widely, which the model does "
    "not have, make it too small too often"
)
"""The likelihood ratio is a description: by χ² it gave false alarms at 5 % in 10.7 % (odds) and
8.7 % (scale) of 300 simulated studies, 20 + 20 participants of one method each on 10 features,
whose listeners spread their answers by factors with a standard deviation of 0.3 on the logarithm;
without such listeners in 4.3 and 3.3 %, and with 15 of each of three methods on 20 features in 4.0
and 6.0 % (`benchmarks.statistics_models`)."""
CUT, RATIO = "clmm_logit_cut_effect", "clmm_logit_scale_ratio"
STUDENT_CUT = "Student's t, from the observed information of the model with thresholds by method"
TOO_NARROW = "no interval: as its test has no p-value, for the same reason"
MOST_CHECKED = 20_000
"""With more ratings than this the larger models are not fitted: they take several times as long."""


def describe_checks(
    joint: Joint, pairs: Sequence[tuple[str, str]], level: float = LEVEL
) -> tuple[list[Estimate], list[HypothesisTest]]:
    """The estimates and tests of one fitted joint model."""
    answers = joint.answers
    people, things = int(answers.participant.max()) + 1, int(answers.feature.max()) + 1
    counts = Counts(len(answers.values), people, things)
    found: list[Estimate] = []
    tests = [_omnibus(joint, counts)] if len(answers.methods) > 2 else []
    for name, fitted in ((ODDS, fit_nominal), (SCALE, fit_scale)):
        try:
            _check_size(joint)
            larger = fitted(joint)
        except NotFitted as reason:
            tests.append(_check(name, None, counts, str(reason)))
            continue
        tests.append(_check(name, larger.test, counts))
        if isinstance(larger, Nominal):
            found += _cuts(joint, larger, pairs, counts, level)
        else:
            found += _ratios(joint, larger, pairs, counts, level)
    return found, tests


def _check_size(joint: Joint) -> None:
    n = len(joint.answers.values)
    if n > MOST_CHECKED:
        raise NotFitted(f"{n} ratings: over {MOST_CHECKED}, so the larger model is not fitted")


def _omnibus(joint: Joint, counts: Counts) -> HypothesisTest:
    f, df, p = joint.omnibus()
    note = f"F with {df} and {joint.df:g} degrees of freedom"
    return _test(OMNIBUS, EXPLORATORY, counts, statistic=f, df=float(df), p=p, note=note)


def _check(name: str, ratio: Ratio | None, counts: Counts, reason: str = "") -> HypothesisTest:
    if ratio is None:
        return _test(name, CHECK, counts, reason=reason)
    note = "likelihood ratio, with the joint model’s random effects"
    return _test(
        name, CHECK, counts, statistic=ratio.statistic, df=ratio.df, note=note, reason=NO_P
    )


def _test(
    name: str,
    family: str,
    counts: Counts,
    *,
    statistic: float | None = None,
    df: float | None = None,
    p: float | None = None,
    note: str = "",
    reason: str = "",
) -> HypothesisTest:
    return HypothesisTest(
        name=name,
        label=LABELS[name],
        method=ALL_METHODS,
        family=family,
        statistic=statistic,
        df=df,
        p=p,
        n_participants=counts.n_participants,
        note=note,
        reason=reason,
    )


def _cuts(
    joint: Joint, nominal: Nominal, pairs: Sequence[tuple[str, str]], counts: Counts, level: float
) -> Iterator[Estimate]:
    """Each comparison's effect at each cut, A above B."""
    for a, b in pairs:
        for cut in nominal.cuts:
            label = f"difference on the latent scale at the cut “{cut} or more” (logit)"
            value, error = nominal.effect(a, b, cut)
            half = joint.quantile(level) * error
            yield Quantity(
                f"{CUT}_{cut}", label, "coefficient", f"{a} − {b}", counts, level
            ).estimated(value, Interval(value - half, value + half, STUDENT_CUT))


WIDEST_LOG = 700.0
"""Logarithm beyond which a ratio is no number of the machine."""


def _ratios(
    joint: Joint, scale: Scale, pairs: Sequence[tuple[str, str]], counts: Counts, level: float
) -> Iterator[Estimate]:
    """Each comparison's ratio of latent spreads, A's over B's."""
    for a, b in pairs:
        log, error = scale.ratio(a, b)
        half = joint.quantile(level) * error
        quantity = Quantity(
            RATIO, "ratio of the spreads on the latent scale (logit)", "none", f"{a} − {b}", counts,
            level,
        )  # fmt: skip
        if not abs(log) + half < WIDEST_LOG:
            yield quantity.not_estimable("the data hardly tell how far one method's answers spread")
            continue
        yield quantity.estimated(math.exp(log), Interval.none(TOO_NARROW))
