"""What an analysis plan may say: a study is not frozen with a plan that its report would refuse.

The analysis reads the same entries (`analysis.reading.plan`); as neither package may import the
other, the rules stand here again, and a test compares them. Entries of other names are kept: the
report says that it does not know them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from studyapp.models import Participation

TESTS = (
    "difference_mean_confidence",
    "difference_paired_by_feature",
    "superiority_ratings",
    "equivalence_mean_confidence",
    "permutation_participant_means",
    "sign_flip_participant_means",
    "welch_participant_means",
    "brunner_munzel_participant_means",
    "clmm_logit_wald",
    "difference_identification_corrected",
    "difference_share_first_label",
    "logistic_identification_wald",
    "logistic_first_label_wald",
    "pair_steered_plain",
    "pair_steered_random",
    "pair_steered_prompt",
    "pair_doses",
    "pair_prompt_plain",
    "pair_prompt_random",
    "pair_random_plain",
)
"""Tests that a plan can name confirmatory."""
STATUSES = tuple(s for s in Participation.Status.values if s != Participation.Status.WITHDRAWN)
SPENDINGS = ("obrien-fleming", "pocock")
MOST_LOOKS = 10
APART = 0.1
"""Looks are further apart than this, as shares of the planned participants."""
WIDEST = 4
"""The largest possible difference between two ratings."""


def problem_with(plan: Any) -> str:
    """Why a report would refuse the plan, with the entry; empty if it would not."""
    if not isinstance(plan, dict):
        return f"analysis_plan is {plan}: it must be an object"
    for name, (fits, expected) in ENTRIES.items():
        if plan.get(name) is not None and not fits(plan[name]):
            return f"analysis_plan: {name} is {plan[name]}: it must be {expected}"
    return ""


def _pairs(given: Any) -> bool:
    """Different unordered pairs of two different names."""
    if not isinstance(given, list):
        return False
    pairs = [p for p in given if isinstance(p, list) and all(isinstance(m, str) for m in p)]
    sets = {frozenset(pair) for pair in pairs if len(pair) == 2}
    return len(sets) == len(given) and all(len(pair) == 2 for pair in sets)


def _among(known: Sequence[str]) -> Callable[[Any], bool]:
    return lambda given: isinstance(given, list) and bool(given) and all(n in known for n in given)


def _number(given: Any, above: float, most: float) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool) and above < given <= most


def _whole(least: int, most: int) -> Callable[[Any], bool]:
    return lambda given: isinstance(given, int) and _number(given, least - 1, most)


def _looks(given: Any) -> bool:
    if not isinstance(given, dict) or not set(given) <= {"fractions", "spending", "participants"}:
        return False
    people = given.get("participants")
    return (
        given.get("spending", SPENDINGS[0]) in SPENDINGS
        and (people is None or _whole(1, 10_000_000)(people))
        and _fractions(given.get("fractions"))
    )


def _fractions(given: Any) -> bool:
    """Increasing shares, the last one all participants."""
    if not isinstance(given, list) or not 2 <= len(given) <= MOST_LOOKS or given[-1] != 1:
        return False
    if not all(_number(share, 0, 1) for share in given):
        return False
    return all(b - a > APART for a, b in zip([0, *given], given, strict=False))


ENTRIES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "comparisons": (_pairs, "a list of pairs of two different methods, each once"),
    "confirmatory": (_among(TESTS), f"a list of {', '.join(TESTS)}"),
    "equivalence_bound": (
        lambda given: _number(given, 0, WIDEST),
        f"a number above 0 and at most {WIDEST}",
    ),
    "statuses": (_among(STATUSES), f"a list of {', '.join(STATUSES)}"),
    "resamples": (_whole(100, 1_000_000), "a whole number from 100 to 1000000"),
    "seed": (_whole(0, 2**63 - 1), f"a whole number from 0 to {2**63 - 1}"),
    "looks": (
        _looks,
        f"an object with fractions (2 to {MOST_LOOKS} increasing shares of the participants, more "
        f"than {APART:g} apart, the last one 1), spending ({' or '.join(SPENDINGS)}) and "
        "participants (a whole number)",
    ),
}
"""Entry → whether a value can be followed, and what one must be."""
