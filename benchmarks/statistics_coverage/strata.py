"""Two studies in one table: methods are compared within each, never pooled.

The second study has listeners of its own and the first one's features, or features of its own (in
turn), and higher ratings; in it the second method has only some of its ratings. Pooled, equal
methods would differ.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.statistics_coverage.cells import Cell, fraction
from benchmarks.statistics_coverage.closed_forms import measure_equal
from benchmarks.statistics_coverage.population import Population, population_of
from benchmarks.statistics_coverage.studies import Side, draw, pair_of
from benchmarks.statistics_coverage.tally import Tally

KEPT = 0.4
"""Share of the second method's ratings that the second study has."""
HIGHER = 0.7
"""How much higher its ratings are, on the latent scale."""


def strata_cells() -> list[Cell]:
    """The balanced fraction of the ratings' cells."""
    return list(fraction())


def measure_strata(cell: Cell, rng: np.random.Generator, studies: int) -> Tally:
    """Two equal methods, each in both studies."""
    population, tally = population_of(cell), Tally()
    for number in range(studies):
        first, second = (draw(population, rng, (shift, shift)) for shift in (0.0, HIGHER))
        second[1] = _thinned(second[1], rng)
        joined = [
            _joined(a, b, population, own=bool(number % 2))
            for a, b in zip(first, second, strict=True)
        ]
        pair = pair_of(*joined)
        # Ratings of the first study come first on either side.
        sizes = [(len(a.values), len(b.values)) for a, b in zip(first, second, strict=True)]
        stratum = np.concatenate([np.repeat([0, 1], size) for size in sizes])
        measure_equal(tally, replace(pair, stratum=stratum))
    return tally


def _thinned(side: Side, rng: np.random.Generator) -> Side:
    """With at least one rating left: a study without any is not among the strata."""
    kept = rng.random(len(side.values)) < KEPT
    kept[rng.integers(len(kept))] = True
    return replace(
        side,
        values=side.values[kept],
        participant=side.participant[kept],
        feature=side.feature[kept],
    )


def _joined(first: Side, second: Side, population: Population, *, own: bool) -> Side:
    """Both studies' ratings of a method."""
    people, things = 2 * population.cell.participants, population.cell.features * own
    return replace(
        first,
        values=np.concatenate([first.values, second.values]),
        participant=np.concatenate([first.participant, second.participant + people]),
        feature=np.concatenate([first.feature, second.feature + things]),
    )
