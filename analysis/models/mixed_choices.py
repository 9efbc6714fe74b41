"""Mixed logistic models of what was chosen (`joint`), all methods together.

Under `identification` P(right) = 1/k + (1 − 1/k) F(η) with k options in that trial: η is on the
scale of choices that are no guesses. Under `candidates` every option may be a fair choice, so the
share of first labels has no guessing floor. Crossed random participants and features take account
of the features that methods share: the comparison is within features, as far as they repeat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.estimates.choices.outcomes import UNKNOWN_CHANCE, Trials, candidates, identification
from analysis.estimates.intervals import LEVEL
from analysis.estimates.results import Counts, Estimate, HypothesisTest
from analysis.models.data import NotFitted
from analysis.models.joint import Joint, answers_of, fit_joint
from analysis.models.mixed import Named, contrast_test, numbers_of
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
    named = _named(outcome)
    try:
        joint = _fitted(outcome, trials)
    except NotFitted as reason:
        none = [named.difference(pair, counts, level).not_estimable(str(reason)) for pair in pairs]
        return none, {
            pair: contrast_test(None, pair, counts, test, label, str(reason)) for pair in pairs
        }
    found = list(numbers_of(joint, named, pairs, counts, level))
    return found, {pair: contrast_test(joint, pair, counts, test, label) for pair in pairs}


def _named(outcome: Outcome) -> Named:
    effect = f"log odds ratio of {outcome.words} (mixed logistic model)"
    scale = f"of log odds ({outcome.words}, mixed logistic model)"
    return Named(f"logistic_{outcome.name}_", effect, scale)


def _fitted(outcome: Outcome, trials: Trials) -> Joint:
    if outcome.floor and not trials.known:
        raise NotFitted(UNKNOWN_CHANCE)
    guess = trials.guess if outcome.floor else None
    return fit_joint(answers_of(trials.frame, trials.hit, guess))
