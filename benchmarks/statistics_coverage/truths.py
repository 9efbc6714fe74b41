"""What is true of a whole table: the model's parameters, agreement, scores, own words.

Closed forms where there are any; otherwise the number itself in a population of hundreds of
thousands of ratings. Consensus is "for these listeners": its true value is that of the study's own
listeners on thousands of new features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import stats

from analysis.arrays import Floats, Ints
from analysis.estimates.intervals import numbered
from analysis.listeners.agreement import (
    brennan_prediger,
    counts_table,
    krippendorff_nominal,
    sparse_counts,
)
from analysis.listeners.choices import CONSENSUS
from analysis.listeners.confidence_agreement import COEFFICIENTS
from benchmarks.statistics_coverage import choice_forms
from benchmarks.statistics_coverage.cells import ChoiceCell
from benchmarks.statistics_coverage.choice_studies import (
    FIRST,
    OPTIONS,
    OTHERS,
    OWN_WORDS,
    SAME_CHOICE,
    SAME_CONFIDENCE,
    SCORE,
    Method,
    choose,
    machine,
    spread_of,
)
from benchmarks.statistics_coverage.closed_forms import EQUAL, expected_shares
from benchmarks.statistics_coverage.closed_forms import truths as of_ratings
from benchmarks.statistics_coverage.population import LOGISTIC_SD, Population, population_of
from benchmarks.statistics_coverage.studies import MISSING, rate

NEW_FEATURES, LISTENERS = 3000, 1000
"""New features, judged by a study's own listeners, from which consensus "for these listeners" is
known; judged by many new ones, from which agreement is."""
DRAWS = 200_000
"""Ratings, each of a new feature by a new listener, from which the scores' values are known."""


def truths(choice: ChoiceCell, population: Population) -> dict[str, float]:
    """Every true value that does not depend on the listeners of a study."""
    ratings = of_ratings(population, 0.0)
    kind = "identification" if choice.kind == "identification" else "first_label"
    model = {
        "clmm_logit_effect": 0.0,
        "clmm_probit_effect": 0.0,
        "clmm_mean_confidence": ratings["mean_confidence"],
        "clmm_share_at_least_4": ratings["share_at_least_4"],
        "difference_clmm_mean_confidence": 0.0,
        "difference_clmm_share_at_least_4": 0.0,
        f"logistic_{kind}_effect": 0.0,
    }
    return (
        ratings
        | EQUAL
        | (expected_shares(choice.cell) if population.link == "probit" else {})
        | model
        | _spreads_of_ratings(choice, population)
        | _spreads_of_hits(choice, kind)
        | choice_forms.truths(choice, population)
        | _of_words(choice)
        | dict(_of_all_listeners(choice))
        | (dict(_of_scores(choice)) if choice.kind == "candidates" else {})
    )


def _spreads_of_ratings(choice: ChoiceCell, population: Population) -> dict[str, float]:
    """Standard deviations in units of the noise, for the model that has the cell's noise.

    Where listeners' noise differs, or where a feature has one rating and its own level under the
    method is noise, the model has no exact value.
    """
    cell, link = choice.cell, population.link
    if cell.noise == "unequal" or (cell.ratings == 1 and cell.own):
        return {}
    unit = math.sqrt(cell.rest) / (1 if link == "probit" else LOGISTIC_SD)
    variances = {
        "participant": cell.icc_listener - cell.preference,
        "participant_method": cell.preference,
        "feature": cell.icc_feature,
        "feature_method": cell.own,
    }
    return {f"clmm_{link}_sd_{name}": math.sqrt(v) / unit for name, v in variances.items()}


def _spreads_of_hits(choice: ChoiceCell, kind: str) -> dict[str, float]:
    spread = spread_of(choice)
    if choice.cell.ratings == 1 and spread.own:
        return {}
    named = {
        "participant": spread.listener,
        "participant_method": spread.preference,
        "feature": spread.feature,
        "feature_method": spread.own,
    }
    if not choice.cell.within:
        named.pop("participant_method")
    return {f"logistic_{kind}_sd_{name}": sd for name, sd in named.items()}


def _of_words(choice: ChoiceCell) -> dict[str, float]:
    """Repeats, and own words, which do not depend on the choice; similarities are 1 or 0."""
    features = choice.cell.features
    chosen = FIRST * choice.accuracy
    elsewhere = OTHERS / (features - 1)
    known = {
        "repeat_same_choice": SAME_CHOICE,
        "repeat_same_confidence": SAME_CONFIDENCE,
        "free_text_share": OWN_WORDS,
    }
    if choice.kind == "identification":
        return known
    return known | {
        "free_text_chosen": chosen,
        "free_text_first": FIRST,
        "free_text_elsewhere": elsewhere,
        "free_text_gain": FIRST - elsewhere,
    }


@lru_cache(maxsize=64)
def _of_scores(choice: ChoiceCell) -> tuple[tuple[str, float], ...]:
    """The scores' values in the population, from many ratings of a new feature each."""
    rng = np.random.default_rng(1)
    cell, population = choice.cell, population_of(choice.cell, choice.link)
    common = rng.normal(0, math.sqrt(cell.icc_feature), DRAWS)
    level = common + rng.normal(0, math.sqrt(cell.own), DRAWS)
    first, second = (_ratings_of(population, level, rng) for _ in range(2))
    z = common / math.sqrt(cell.icc_feature) if cell.icc_feature else rng.normal(size=DRAWS)
    score = SCORE * z + math.sqrt(1 - SCORE**2) * rng.normal(size=DRAWS)
    r = float(stats.spearmanr(score, first).statistic)
    found = {"spearman_clap_confidence": r, "choice_clap": 0.5}
    if cell.icc_feature + cell.own:
        reliability = float(np.corrcoef(first, second)[0, 1])
        found["spearman_clap_confidence_corrected"] = r / math.sqrt(reliability)
    return tuple((found | _of_machine(choice, rng)).items())


def _ratings_of(population: Population, level: Floats, rng: np.random.Generator) -> Floats:
    listener = rng.normal(0, math.sqrt(population.cell.icc_listener), len(level))
    return rate(population, rng, level + listener, rng.choice(population.scales, len(level)))


def _of_machine(choice: ChoiceCell, rng: np.random.Generator) -> dict[str, float]:
    spread = spread_of(choice)
    sd = math.hypot(spread.feature, spread.own)
    z = rng.normal(size=DRAWS)
    listener = rng.normal(0, math.hypot(spread.listener, spread.preference), DRAWS)
    p, hit = machine(choice, z), choose(choice, rng, sd * z + listener) == 0
    ranks = stats.rankdata(p)
    n, right = len(p), int(hit.sum())
    auroc = (ranks[hit].sum() - right * (right + 1) / 2) / (right * (n - right))
    return {"brier": float(np.mean((p - hit) ** 2)), "auroc_confidence": float(auroc)}


@dataclass(frozen=True)
class Judged:
    """New features, each judged by as many listeners as in the cell; all arrays are [answer]."""

    unit: Ints
    step: Ints
    """The rating, from 0."""
    place: Ints
    """The chosen label."""

    @property
    def n(self) -> int:
        """Features that were judged."""
        return int(self.unit.max()) + 1


def judged(
    choice: ChoiceCell,
    population: Population,
    rng: np.random.Generator,
    *,
    level: Floats,
    scale: Floats,
    hit: Floats,
) -> Judged:
    """Each new feature is judged by some of the listeners; `level` and so on are [listener]."""
    cell, spread = choice.cell, spread_of(choice)
    # 1) Who judges each feature, and which of these answers are not missing, [feature, rater].
    rater = np.argsort(rng.random((NEW_FEATURES, len(level))), axis=1)[:, : cell.ratings]
    kept = rng.random(rater.shape) >= MISSING
    feature = np.broadcast_to(np.arange(NEW_FEATURES)[:, None], rater.shape)[kept]
    rater = rater[kept]
    # 2) Their ratings and choices.
    of_feature = rng.normal(0, math.sqrt(cell.icc_feature + cell.own), NEW_FEATURES)
    rated = rate(population, rng, of_feature[feature] + level[rater], scale[rater])
    known = rng.normal(0, math.hypot(spread.feature, spread.own), NEW_FEATURES)
    place = choose(choice, rng, known[feature] + hit[rater])
    return Judged(numbered(feature)[0], rated.astype(np.int64) - 1, place)


def of_these_listeners(
    choice: ChoiceCell, population: Population, method: Method, rng: np.random.Generator
) -> dict[str, float]:
    """Consensus of a study's own listeners on new features like the study's."""
    if choice.cell.ratings < 2:
        return {}
    side = method.side
    new = judged(choice, population, rng, level=side.level, scale=side.scale, hit=method.listener)
    choices = counts_table(new.unit, new.place, new.n, OPTIONS)
    several = choices[choices.sum(axis=1) >= 2]
    size = np.full(len(several), OPTIONS)
    return {name: float(measure.of(several, size).mean()) for name, measure in CONSENSUS.items()}


@lru_cache(maxsize=64)
def _of_all_listeners(choice: ChoiceCell) -> tuple[tuple[str, float], ...]:
    """Agreement of all listeners on all features: thousands of both."""
    cell, spread, rng = choice.cell, spread_of(choice), np.random.default_rng(2)
    if cell.ratings < 2:
        return ()
    population = population_of(cell, choice.link)
    # 1) Many listeners, of whom few judge the same features.
    level = rng.normal(0, math.sqrt(cell.icc_listener), LISTENERS)
    scale = rng.choice(population.scales, LISTENERS)
    hit = rng.normal(0, math.hypot(spread.listener, spread.preference), LISTENERS)
    new = judged(choice, population, rng, level=level, scale=scale, hit=hit)
    # 2) The coefficients.
    one = np.ones((1, new.n))
    ratings = counts_table(new.unit, new.step, new.n, OPTIONS)
    found = {name: float(of(ratings, one)[0]) for name, (_, of) in COEFFICIENTS.items()}
    choices = counts_table(new.unit, new.place, new.n, OPTIONS)
    found["brennan_prediger_choice"] = float(brennan_prediger(choices, one, OPTIONS)[0])
    # Labels are those of their feature: chance agreement depends on how many features there are.
    labels = sparse_counts(new.unit, new.unit * OPTIONS + new.place, new.n, new.n * OPTIONS)
    groups = np.repeat(np.eye(new.n // cell.features), cell.features, axis=1)
    weights = np.zeros((len(groups), new.n))
    weights[:, : groups.shape[1]] = groups
    found["alpha_choice"] = float(np.mean(krippendorff_nominal(labels, weights)))
    return tuple(found.items())
