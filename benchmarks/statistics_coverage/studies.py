"""Simulated studies of a cell: who rated what, and how. Written apart from the planner's own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from analysis.arrays import Floats, Ints
from analysis.estimates.descriptives import Ratings
from analysis.estimates.intervals import numbered
from analysis.estimates.method_pairs import Pair
from benchmarks.statistics_coverage.population import LOGISTIC_SD, Population

MISSING = 0.08
"""Share of the answers that are missing, at random."""
ASSIGNMENTS = 16
"""Assignments of features to listeners per structure, which studies take in turn."""


@lru_cache(maxsize=512)
def assigned(participants: int, features: int, ratings: int, number: int) -> tuple[Ints, Ints]:
    """Listener and feature of each trial of one method, each [trial].

    Features come in rounds, each in random order. A listener takes the next trials; at the end of a
    round those features come late in the next one that the listener already has.
    """
    rng = np.random.default_rng([participants, features, ratings, number])
    total = features * ratings
    listener = np.arange(total) * participants // total
    feature = np.empty(0, dtype=np.int64)
    for _ in range(ratings):
        order = rng.permutation(features)
        begun = listener[min(len(feature), total - 1)]
        held = feature[listener[: len(feature)] == begun]
        late = np.isin(order, held)
        feature = np.concatenate([feature, order[~late], order[late]])
    return listener.astype(np.int64), feature.astype(np.int64)


@dataclass(frozen=True)
class Side:
    """One method's ratings, each [rating], and what its listeners are like, each [listener]."""

    values: Floats
    participant: Ints
    feature: Ints
    level: Floats
    scale: Floats
    common: Floats
    """Features' levels under every method, [feature]."""
    of_feature: Floats
    """Features' levels under this method, [feature]."""


def draw(population: Population, rng: np.random.Generator, shifts: tuple[float, ...]) -> list[Side]:
    """One study with a method per shift."""
    cell = population.cell
    people = cell.participants
    common = rng.normal(0, np.sqrt(cell.icc_feature), cell.features)
    level = rng.normal(0, np.sqrt(cell.icc_listener - cell.preference), people)
    scale = rng.choice(population.scales, people)
    sides = []
    for number, shift in enumerate(shifts):
        if number and not cell.within:
            level = rng.normal(0, np.sqrt(cell.icc_listener), people)
            scale = rng.choice(population.scales, people)
        own = level + rng.normal(0, np.sqrt(cell.preference), people)
        start = 0 if cell.within else number * people
        sides.append(_rated(population, rng, shift, own, scale, common, start))
    return sides


def _rated(
    population: Population,
    rng: np.random.Generator,
    shift: float,
    level: Floats,
    scale: Floats,
    common: Floats,
    start: int,
) -> Side:
    cell = population.cell
    number = int(rng.integers(ASSIGNMENTS))
    listener, feature = assigned(cell.participants, cell.features, cell.ratings, number)
    kept = rng.random(len(listener)) >= MISSING
    listener, feature = listener[kept], feature[kept]
    of_feature = common + rng.normal(0, np.sqrt(cell.own), cell.features)
    values = rate(population, rng, shift + level[listener] + of_feature[feature], scale[listener])
    return Side(values, listener + start, feature, level, scale, common, of_feature)


def rate(
    population: Population, rng: np.random.Generator, expected: Floats, scale: Floats
) -> Floats:
    """Ratings 1 to 5 from their expected latent values and their noise's scale, [rating]."""
    if population.link == "probit":
        noise = rng.standard_normal(expected.shape)
    else:
        noise = rng.logistic(0, 1 / LOGISTIC_SD, expected.shape)
    latent = expected + np.sqrt(population.cell.rest) * scale * noise
    return np.asarray(1.0 + np.searchsorted(population.cuts, latent))


def ratings_of(side: Side) -> Ratings:
    """A method's ratings as the report describes them."""
    participant, n_participants = numbered(side.participant)
    feature, n_features = numbered(side.feature)
    return Ratings("a", side.values, participant, feature, n_participants, n_features)


def pair_of(a: Side, b: Side) -> Pair:
    """Two methods' ratings as the report compares them."""
    participant, n_participants = numbered(np.concatenate([a.participant, b.participant]))
    feature, n_features = numbered(np.concatenate([a.feature, b.feature]))
    values = np.concatenate([a.values, b.values])
    is_a = np.arange(len(values)) < len(a.values)
    return Pair("a", "b", values, is_a, participant, feature, n_participants, n_features)
