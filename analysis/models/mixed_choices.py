"""Mixed logistic models of what was chosen (`joint`), all methods together.

Under `identification` P(right) = 1/k + (1 − 1/k) F(η) with k options in that trial: η is on the
scale of choices that are no guesses. Under `candidates` every option may be a fair choice, so the
share of first labels has no guessing floor. Crossed random participants and features take account
of the features that methods share: the comparison is within features, as far as they repeat.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analysis.estimates.choice_outcomes import UNKNOWN_CHANCE, Trials, candidates, identification
from analysis.estimates.intervals import LEVEL
from analysis.estimates.results import Counts, Estimate, HypothesisTest, Interval, Quantity
from analysis.models.data import NotFitted
from analysis.models.joint import Joint, answers_of, fit_joint
from analysis.models.mixed import (
    ALL_METHODS,
    SPREADS,
    STUDENT_JOINT,
    contrast_test,
    sigma_interval,
)
from analysis.reading.table import Responses


@dataclass(frozen=True)
class Outcome:
    """One kind of choice."""

    name: str
    words: str
    floor: bool
    """Whether chance is the model's guessing floor."""


IDENTIFICATION = Outcome("identification", "a right choice that is no guess", True)
FIRST_LABEL = Outcome("first_label", "choosing the method’s first label", False)


def describe_choice_models(
    responses: Responses, pairs: Sequence[tuple[str, str]], level: float = LEVEL
) -> tuple[list[Estimate], dict[tuple[str, str], list[HypothesisTest]]]:
    """The log odds ratios between methods, the random effects, and each comparison's tests.

    A comparison has none for a kind of choice that one of its methods does not have.
    """
    found: list[Estimate] = []
    tests: dict[tuple[str, str], list[HypothesisTest]] = {pair: [] for pair in pairs}
    kinds = ((IDENTIFICATION, identification(responses)), (FIRST_LABEL, candidates(responses)))
    for outcome, trials in kinds:
        those = [pair for pair in pairs if trials.both(*pair)]
        if not those:
            continue
        estimates, made = _of_outcome(outcome, trials, those, level)
        found += estimates
        for pair, test in made.items():
            tests[pair].append(test)
    return found, tests


def _of_outcome(
    outcome: Outcome, trials: Trials, pairs: Sequence[tuple[str, str]], level: float
) -> tuple[list[Estimate], dict[tuple[str, str], HypothesisTest]]:
    frame = trials.frame
    counts = Counts(len(frame), frame["participation"].nunique(), frame["feature_key"].nunique())
    test = f"logistic_{outcome.name}_wald"
    label = f"no difference in the odds of {outcome.words} (mixed logistic model)"
    try:
        joint = _fitted(outcome, trials)
    except NotFitted as reason:
        none = [_effect(outcome, pair, counts, level).not_estimable(str(reason)) for pair in pairs]
        return none, {
            pair: contrast_test(None, pair, counts, test, label, str(reason)) for pair in pairs
        }
    found = list(_of_model(outcome, joint, pairs, counts, level))
    return found, {pair: contrast_test(joint, pair, counts, test, label) for pair in pairs}


def _fitted(outcome: Outcome, trials: Trials) -> Joint:
    if outcome.floor and not trials.known:
        raise NotFitted(UNKNOWN_CHANCE)
    guess = trials.guess if outcome.floor else None
    return fit_joint(answers_of(trials.frame, trials.hit, guess))


def _effect(outcome: Outcome, pair: tuple[str, str], counts: Counts, level: float) -> Quantity:
    label = f"log odds ratio of {outcome.words} (mixed logistic model)"
    name = f"logistic_{outcome.name}_effect"
    return Quantity(name, label, "coefficient", f"{pair[0]} − {pair[1]}", counts, level)


def _of_model(
    outcome: Outcome,
    joint: Joint,
    pairs: Sequence[tuple[str, str]],
    counts: Counts,
    level: float,
) -> Iterator[Estimate]:
    def quantity(name: str, label: str, method: str) -> Quantity:
        full = f"logistic_{outcome.name}_{name}"
        words = f"{label} ({outcome.words}, mixed logistic model)"
        return Quantity(full, words, "coefficient", method, counts, level)

    for pair in pairs:
        value, error = joint.contrast(*pair)
        half = joint.quantile(level) * error
        effect = _effect(outcome, pair, counts, level)
        yield effect.estimated(value, Interval(value - half, value + half, STUDENT_JOINT))
        yield quantity(
            "effect_se", "standard error of the log odds ratio", effect.method
        ).estimated(error, Interval.none("not a parameter"))
    for name, sigma, se in zip(joint.random, joint.fit.sigma, joint.fit.sigma_se, strict=True):
        label = f"standard deviation of {SPREADS[name]}"
        yield quantity(f"sd_{name.replace(':', '_')}", label, ALL_METHODS).estimated(
            float(sigma), sigma_interval(float(sigma), float(se), level)
        )
    yield quantity("log_likelihood", "log-likelihood", ALL_METHODS).estimated(
        joint.fit.log_likelihood, Interval.none("not a parameter")
    )
