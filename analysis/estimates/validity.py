"""Tests and intervals that miss their error rate in some designs, and the designs they hold in.

`RULES` is the one place that decides it. A test or an interval in the table is given only where its
rule has no reason against it; elsewhere the reason takes its place in the report, so that a reader
sees why it is absent. One that is not in the table is given in every design: docs/statistics.md
says in how many simulated studies of which designs each was measured. Consensus is "for these
listeners", and named so.

The figures of a rule are false alarms at 5 %, or coverage at 95 %, in simulated studies in which
listeners and features both differ. Each was measured once, in the designs that it names, with the
rule taken away; only Welch's test of participants' means is measured again by
`python -m benchmarks.statistics_coverage`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

LEAST_FEATURES = 30
"""Fewest features for intervals of what a machine says about each of them."""


@dataclass(frozen=True)
class Design:
    """What decides whether a test or interval of a comparison, or of one method, holds."""

    repeated: bool
    """Whether any feature was rated more than once under one method."""
    n_participants: int = 0
    n_rated_both: int = 0
    """In a comparison: participants who rated both methods."""
    strata: int = 1
    """In a comparison: studies or versions within which the methods are compared."""
    n_features: int = 0
    """Of one method, where a machine's scores are compared with answers."""


@dataclass(frozen=True)
class Rule:
    """Where a test or interval holds, and what was measured."""

    against: Callable[[Design], str]
    """The reason against it in a design; empty where it holds."""
    measured: str


def _one_number_each(design: Design) -> str:
    """Participants' means as independent values of one study."""
    return _shared_features(design) or _in_both(design) or _in_strata(design)


def _in_strata(design: Design) -> str:
    if design.strata == 1:
        return ""
    return (
        "not given: the test does not compare within studies and versions, of which there are "
        + str(design.strata)
    )


def _shared_features(design: Design) -> str:
    if not design.repeated:
        return ""
    return (
        "not given: features were rated by several participants, whose means therefore share "
        "those features and are not independent"
    )


def _in_both(design: Design) -> str:
    if not design.n_rated_both:
        return ""
    return (
        f"not given: {design.n_rated_both} of {design.n_participants} participants rated both "
        "methods, and the test takes the two samples as separate people"
    )


def _own_differences(design: Design) -> str:
    if shared := _shared_features(design):
        return shared
    if design.n_rated_both == design.n_participants:
        return ""
    return (
        f"not given: only {design.n_rated_both} of {design.n_participants} participants rated "
        "both methods, and the others would not count"
    )


def _means_of_ratings(design: Design) -> str:
    """A unit's mean moves with everything that it shares with others, and passes 4 all at once."""
    if not design.repeated:
        return ""
    return (
        "no interval where features were rated by several participants: it would cover the "
        "expected share too rarely"
    )


def _few_features(design: Design) -> str:
    if design.n_features >= LEAST_FEATURES:
        return ""
    return (
        f"no interval with fewer than {LEAST_FEATURES} features: it would cover the true value too "
        "rarely"
    )


_MEANS = Rule(
    _one_number_each,
    "Welch's test, one rating per feature: 4.0 to 5.6 %. Features rated by several: 6.9 to 9.6 % "
    "with 10 listeners × 10 features × 10 ratings, 15 to 18 % with 40 × 10 × 40, and up to 47.5 % "
    "there where features account for .3 of the variance.",
)


_SHARE_OF_MEANS = Rule(
    _means_of_ratings,
    "features: coverage 64 and 68 % of the two with 10 listeners × 100 features × 10 ratings, in "
    "the middle of the scale, where listeners and features account for .3 of the variance each "
    "(100 studies). Participants: 90 % with 40 × 10 × 40, where only features differ (500).",
)


_OF_MACHINE = Rule(
    _few_features,
    "10 features × 40 listeners × 40 ratings of each: coverage 91.5 to 95.2 % (Brier score), 90.5 "
    "to 93.0 % (AUROC), 88.5 to 93.5 % (Spearman's correlation); 10 × 10 × one rating: 87.0 to "
    "91.8 % (Brier score; four designs of 400 studies each). 30 features: 93.4 to 98.6 %, 92.2 to "
    "99.0 % and 92.2 to 96.8 % (30 designs of 500).",
)


BRIER, AUROC, SPEARMAN = "brier", "auroc_confidence", "spearman_confidence"
RULES: dict[str, Rule] = {
    "welch_participant_means": _MEANS,
    "permutation_participant_means": _MEANS,
    "brunner_munzel_participant_means": _MEANS,
    "superiority_participant_means": _MEANS,
    "sign_flip_participant_means": Rule(
        _own_differences,
        "one rating per feature: exact if differences are symmetric; 3.9 % in 913 studies of four "
        "designs. Features rated by several, whose levels differ between methods (.15 of the "
        "variance): 14.8 %.",
    ),
    "share_feature_means_at_least_4": _SHARE_OF_MEANS,
    "share_feature_means_above_4": _SHARE_OF_MEANS,
    "share_participant_means_at_least_4": _SHARE_OF_MEANS,
    "share_participant_means_above_4": _SHARE_OF_MEANS,
    BRIER: _OF_MACHINE,
    AUROC: _OF_MACHINE,
    SPEARMAN: _OF_MACHINE,
}
"""Name of a test or estimate to its rule. To restrict one more, add its line here."""


def reason_against(name: str, design: Design) -> str:
    """Why the test or interval `name` is not given in a design; empty where it is."""
    rule = RULES.get(name)
    return rule.against(design) if rule else ""
