"""Every departure of an analysis from the study's plan, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.estimates.hypothesis_tests import (
    BRUNNER_MUNZEL,
    CONFIRMATORY,
    PERMUTATION,
    SIGN_FLIPS,
    WELCH,
)
from analysis.estimates.results import HypothesisTest
from analysis.estimates.strata import comparable
from analysis.reading.exclusions import Excluded
from analysis.reading.plan import ACCURACY_TEST, FIRST_LABEL_TEST, PAIR_KINDS, Plan, too_late
from analysis.reading.table import Responses
from analysis.report.settings import Procedure


def deviations(
    study: Mapping[str, Any] | None,
    read: Responses,
    done: Procedure,
    excluded: Excluded,
    tests: list[HypothesisTest],
) -> list[str]:
    """Every departure of this analysis from the study's plan, in words."""
    methods = excluded.responses.methods
    found = [*common_deviations(study, read, done, excluded, tests), *_narrowed(done, methods)]
    for a, b in done.plan.comparisons or ():
        found += [
            f"The plan compares {a} with {b}; there are no ratings of {missing}."
            for missing in (a, b)
            if missing not in methods
        ]
    pairs = done.pairs(methods)
    apart = [pair for pair in pairs if not comparable(excluded.responses.ratings, *pair).any()]
    found += [
        f"{a} was not compared with {b}: no study and no version in the table has both."
        for a, b in apart
    ]
    return found + _not_made(done.family, tests, [pair for pair in pairs if pair not in apart])


def common_deviations(
    study: Mapping[str, Any] | None,
    read: Responses,
    done: Procedure,
    excluded: Excluded,
    tests: Sequence[HypothesisTest],
) -> list[str]:
    """Those that need no comparison of methods: all of a table without label trials."""
    found = [*recorded(study), *done.departures]
    answered = read.rows["answered_at"].tolist() if read.has("answered_at") else []
    if late := too_late(study, answered):
        found.append(late)
        if done.plan.named:
            found.append(
                "The tests and comparisons that the plan names are therefore exploratory; the "
                "confirmatory test is this program’s default, of every comparison."
            )
    if done.unplanned:
        found.append(done.unplanned)
    if excluded.source == "deviation":
        found.append("The exclusion rules were given with the command in place of the plan’s.")
    found += [
        f"The plan’s exclusion rule {e.rule} was not applied: {e.reason}."
        for e in excluded.exclusions
        if not e.applied and excluded.source == "plan"
    ]
    found += [
        f"The plan’s confirmatory test {test} was not made: there is no such pair with a choice."
        for test in done.family.confirmatory or ()
        if test in PAIR_KINDS and test not in {t.name for t in tests}
    ]
    return found + [
        f"The plan’s confirmatory test {t.name} of {t.method} could not be made: {t.reason}."
        for t in tests
        if done.family.named and t.family == CONFIRMATORY and t.p is None
    ]


RECORDED = {
    "condition_off": "The condition {method} was switched off",
    "condition_on": "The condition {method} was switched on again",
    "places_added": "Places were added ({places})",
}
"""Kinds of deviations that the site records while a study is under way."""


def recorded(study: Mapping[str, Any] | None) -> list[str]:
    """What was changed while the study was open, as its `study.json` says."""
    given = (study or {}).get("deviations")
    rows = [one for one in given if isinstance(one, Mapping)] if isinstance(given, list) else []
    return [
        RECORDED.get(str(one.get("kind")), "The design was departed from").format(
            method=one.get("method"), places=one.get("places")
        )
        + f" on {str(one.get('at'))[:10]}, while the study was under way. "
        f"Reason given: {str(one.get('reason')).rstrip('.')}."
        for one in rows
    ]


def _narrowed(done: Procedure, methods: Sequence[str]) -> list[str]:
    """That the command asked for one comparison of several."""
    others = len(methods) * (len(methods) - 1) // 2 - 1
    if done.compare is None or others < 1:
        return []
    a, b = done.compare
    return [
        f"Only {a} − {b} was compared, as the command asked. The other {others} comparisons of "
        f"these {len(methods)} methods were not made, and no p-value is adjusted for them."
    ]


NEEDS = {
    SIGN_FLIPS: "it is of participants who rated both methods, and most rated only one",
    **dict.fromkeys(
        (PERMUTATION, WELCH, BRUNNER_MUNZEL),
        "it is of two separate groups of participants, and most rated both methods",
    ),
    **dict.fromkeys(
        (ACCURACY_TEST, "logistic_identification_wald"),
        "the two methods do not both have identification trials with a choice",
    ),
    **dict.fromkeys(
        (FIRST_LABEL_TEST, "logistic_first_label_wald"),
        "the two methods do not both have choices among labels with the method’s own ranks",
    ),
}
"""Why a test that a plan can name is not among those of a comparison."""


def _not_made(
    plan: Plan, tests: list[HypothesisTest], pairs: Sequence[tuple[str, str]]
) -> list[str]:
    """The plan's confirmatory tests of comparisons that were not made, with the reason."""
    made = {(t.name, t.method) for t in tests}
    names = [
        f"{a} − {b}" for a, b in pairs if plan.comparisons is None or (a, b) in plan.comparisons
    ]
    return [
        f"The plan’s confirmatory test {test} of {name} was not made: "
        f"{NEEDS.get(test, 'it does not apply to this design')}."
        for test in plan.confirmatory or ()
        for name in names
        if (test, name) not in made and test not in PAIR_KINDS
    ]
