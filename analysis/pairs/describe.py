"""Everything about a table's pairs and intruder trials."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.estimates.hypothesis_tests import CONFIRMATORY, EXPLORATORY
from analysis.estimates.repeated import repeated
from analysis.estimates.results import Estimate, HypothesisTest
from analysis.listeners.repeats import describe_repeats
from analysis.pairs.bradley_terry import describe_strengths
from analysis.pairs.clap import describe_clap, read_cosines
from analysis.pairs.doses import DoseModel, describe_doses
from analysis.pairs.intruders import describe_intruders
from analysis.pairs.shares import describe_shares, describe_tests
from analysis.pairs.trials import Pairs, pairs_of
from analysis.reading.labels import Labels
from analysis.reading.looks import Look
from analysis.reading.plan import PAIR_KINDS, Plan
from analysis.reading.trial_kinds import Kinds


@dataclass(frozen=True)
class PairResults:
    """What pairs and intruder trials show."""

    estimates: Sequence[Estimate] = ()
    tests: Sequence[HypothesisTest] = ()
    """Not yet adjusted."""
    methods: tuple[str, ...] = ()
    """Whose labels the pairs asked about."""
    models: dict[str, list[DoseModel]] = dataclasses.field(default_factory=dict)
    """Method to its dose–response models."""
    unnamed: int = 0
    """Pairs of a kind that has no share: two random directions, or two interventions."""


def describe_kinds(
    kinds: Kinds,
    labels: Labels | None,
    folder: Path,
    plan: Plan,
    *,
    seed: int,
    look: Look | None = None,
) -> PairResults:
    """Every estimate and test of the pairs and the intruder trials; empty without any.

    `plan`: whose family of confirmatory tests counts. If it names none, and the table has no label
    trials, the comparison of steered and unsteered clips is confirmatory. At a planned `look` the
    shares that confirmatory tests are of have repeated confidence intervals.
    """
    found: list[Estimate] = []
    results = PairResults()
    if kinds.pairs is not None:
        default = PAIR_KINDS[0] if kinds.labels is None else ""
        results = _of_pairs(pairs_of(kinds.pairs), folder, plan, default, look)
        found += results.estimates
        found += [_repeat(e) for m in results.methods for e in describe_repeats(kinds.pairs, m)]
    if kinds.intruders is not None:
        found += describe_intruders(kinds.intruders, labels, seed=seed)
    return dataclasses.replace(results, estimates=tuple(found))


def _of_pairs(
    pairs: Pairs, folder: Path, plan: Plan, default: str, look: Look | None
) -> PairResults:
    cosines = read_cosines(folder)
    found: list[Estimate] = []
    tests: list[HypothesisTest] = []
    models: dict[str, list[DoseModel]] = {}
    for method in pairs.methods:
        own = pairs.of(method)
        estimates, models[method] = describe_doses(own, method)
        found += [
            *describe_shares(own, method),
            *estimates,
            *describe_strengths(own, method),
            *describe_clap(own, cosines, method),
        ]
        tests += [_in_family(test, plan, default) for test in describe_tests(own, method)]
    found = repeated(found, tests, look, lambda level: _shares(pairs, level))
    unnamed = int(np.sum(pairs.kind == ""))
    return PairResults(found, tests, tuple(pairs.methods), models, unnamed)


def _shares(pairs: Pairs, level: float) -> Iterator[Estimate]:
    """Every method's shares at a level of confidence."""
    for method in pairs.methods:
        yield from describe_shares(pairs.of(method), method, level)


def _repeat(e: Estimate) -> Estimate:
    """Test–retest agreement on pairs, by a name of its own: there can be that on labels too."""
    return dataclasses.replace(e, name=f"pair_{e.name}", label=f"{e.label}, pairs")


def _in_family(test: HypothesisTest, plan: Plan, default: str) -> HypothesisTest:
    confirmatory = plan.family_of_pairs(test.name, default)
    return dataclasses.replace(test, family=CONFIRMATORY if confirmatory else EXPLORATORY)
