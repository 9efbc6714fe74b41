"""Repeated confidence intervals: those of the confirmatory differences at a planned look.

The boundary of the look takes the place of the fixed quantile: Student's t at the look's nominal
level (Jennison and Turnbull 1989, J. Royal Statistical Society B 51, 305–361, and 2000, ch. 9). So
an interval excludes no difference exactly where its test, on its own, rejects at this look, and the
intervals of all looks together contain the true difference with the stated level, whatever rule a
study is stopped by. Estimates are not corrected: those of a study that stopped because a test
rejected are too large on average.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from analysis.estimates.hypothesis_tests import CONFIRMATORY
from analysis.estimates.intervals import LEVEL, student_quantile
from analysis.estimates.looks import level_at
from analysis.estimates.results import Estimate, HypothesisTest
from analysis.reading.looks import Look

INTERVALS = {
    "equivalence_mean_confidence": "difference_mean_confidence",
    "brunner_munzel_participant_means": "superiority_participant_means",
}
"""Tests that are judged by an estimate of another name."""
EFFECTS = {
    "clmm_logit_wald": "clmm_logit_effect",
    "logistic_identification_wald": "logistic_identification_effect",
    "logistic_first_label_wald": "logistic_first_label_effect",
}
"""Tests of mixed models, and the effects that they are of: value ± t × standard error."""


def repeated(
    estimates: Sequence[Estimate],
    tests: Sequence[HypothesisTest],
    look: Look | None,
    at: Callable[[float], Iterable[Estimate]],
) -> list[Estimate]:
    """The estimates, those of confirmatory tests with their repeated intervals.

    `at` gives the differences between two methods at any level of confidence.
    """
    confirmatory = [t for t in tests if t.family == CONFIRMATORY]
    if look is None or not confirmatory:
        return list(estimates)
    level = 1 - level_at(look, 1 - LEVEL)
    effects = {(EFFECTS[t.name], t.method): t.df for t in confirmatory if t.name in EFFECTS}
    named = {(INTERVALS.get(t.name, t.name), t.method) for t in confirmatory}
    of_pairs = [e for e in at(level) if e.recommended and (e.name, e.method) in named]
    wide = {(e.name, e.method): e for e in of_pairs}
    for e in estimates:
        if df := effects.get((e.name, e.method)):
            wide[e.name, e.method] = _widened(e, df, level)
    kind = f"repeated at look {look.number} of {look.of}"
    return [
        replace(new, level=e.level, interval=f"{new.interval}, {kind}")
        if e.recommended and (new := wide.get((e.name, e.method))) and new.low is not None
        else e
        for e in estimates
    ]


def _widened(e: Estimate, df: float, level: float) -> Estimate:
    """Value ± t × standard error at another level; without limits as it is."""
    if e.value is None or e.high is None:
        return e
    half = (e.high - e.value) * student_quantile(level, df) / student_quantile(e.level, df)
    return replace(e, low=e.value - half, high=e.value + half)
