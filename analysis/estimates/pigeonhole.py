"""The pigeonhole bootstrap: participants and features are resampled at the same time.

Owen (2007), Annals of Applied Statistics 1, 386–411: in a resample a rating has the weight (draws
of its participant) × (draws of its feature). The resampling variance is too large, by up to the
part that belongs to single ratings: it is shown beside the two-way standard error as a conservative
check, and is never the recommended interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from scipy import sparse

from analysis.arrays import Floats, Ints
from analysis.estimates.intervals import LEAST_USABLE, multinomial_weights, percentile_interval
from analysis.estimates.results import Interval

PIGEONHOLE = "pigeonhole bootstrap by participant and feature (conservative)"
Table: TypeAlias = "sparse.csr_array[np.float32, tuple[int, int]]"
DENSE_LIMIT = 200_000
"""Largest number of cells (participants × features) for which the ratings are a dense table."""


def pigeonhole_sums(
    columns: Sequence[Floats],
    participant: Ints,
    feature: Ints,
    rng: np.random.Generator,
    resamples: int,
) -> Floats:
    """Σ over ratings of (participant's draws × feature's draws × column), [resample, column].

    With k [participant] and l [feature] the draws and T the table of a column, it is k' T l. The
    columns have small whole numbers, for which the tables' single precision is exact.
    """
    # 1) The draws of both, in blocks of the same number of resamples.
    shape = int(participant.max()) + 1, int(feature.max()) + 1
    dense = shape[0] * shape[1] <= DENSE_LIMIT
    block = max(1, 2_000_000 // max(shape)) if dense else 64
    people = multinomial_weights(rng, shape[0], resamples, block * shape[0])
    things = multinomial_weights(rng, shape[1], resamples, block * shape[1])
    # 2) Each column as a table [participant, feature].
    tables = [_table(c, participant, feature, shape) for c in columns]
    # 3) k' T l for each resample and column.
    if dense:
        held = [table.toarray().astype(np.float64) for table in tables]
        blocks = [_dense_block(p, f, held) for p, f in zip(people, things, strict=True)]
    else:
        blocks = [_sparse_block(p, f, tables) for p, f in zip(people, things, strict=True)]
    return np.concatenate(blocks)


def _table(column: Floats, participant: Ints, feature: Ints, shape: tuple[int, int]) -> Table:
    return sparse.csr_array((column.astype(np.float32), (participant, feature)), shape=shape)


def _dense_block(p: Floats, f: Floats, tables: Sequence[Floats]) -> Floats:
    return np.stack([np.einsum("rf,rf->r", p @ table, f) for table in tables], axis=1)


def _sparse_block(p: Floats, f: Floats, tables: Sequence[Table]) -> Floats:
    things = np.ascontiguousarray(f.T, dtype=np.float32)
    people = np.ascontiguousarray(p.T)
    return np.stack([np.einsum("pr,pr->r", people, table @ things) for table in tables], axis=1)


def pigeonhole_mean(
    values: Floats,
    participant: Ints,
    feature: Ints,
    *,
    rng: np.random.Generator,
    resamples: int,
    level: float,
) -> Interval:
    """Percentile interval of a mean: Σ k l rating / Σ k l per resample."""
    sums = pigeonhole_sums([values, np.ones_like(values)], participant, feature, rng, resamples)
    drawn = sums[:, 1] > 0
    return _percentiles(sums[drawn, 0] / sums[drawn, 1], resamples, level)


def pigeonhole_difference(
    values: Floats,
    first: Floats,
    participant: Ints,
    feature: Ints,
    *,
    rng: np.random.Generator,
    resamples: int,
    level: float,
) -> Interval:
    """Percentile interval of a difference of means; `first` [rating] is 1 for A and 0 for B."""
    second = 1.0 - first
    columns = [values * first, first, values * second, second]
    sums = pigeonhole_sums(columns, participant, feature, rng, resamples)
    drawn = (sums[:, 1] > 0) & (sums[:, 3] > 0)
    s = sums[drawn]
    return _percentiles(s[:, 0] / s[:, 1] - s[:, 2] / s[:, 3], resamples, level)


def _percentiles(values: Floats, resamples: int, level: float) -> Interval:
    if len(values) < LEAST_USABLE * resamples:
        return Interval.none("more than one in twenty resamples had no ratings")
    return percentile_interval(values, level, PIGEONHOLE)
