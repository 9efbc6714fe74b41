"""The table of effects by horizon: one row per intervention, measure and window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from pipeline.steering import slopes as estimate
from pipeline.steering.horizons.continuity import Continuity, Moves, beyond_continuity
from pipeline.steering.horizons.windows import LAST, Window
from pipeline.steering.plan import POOL
from pipeline.steering.slopes import finite
from pipeline.steering.table import interval, number
from pipeline.store.records import records_from
from pipeline.store.run_directory import RunDirectory
from pipeline.store.steering_tables import HorizonEffectRecord, HorizonRecord

HORIZONS = "steering/horizons.parquet"
MEASURES = ("similarity", "label_similarity", "own_activation")
"""What effects are given of, window by window; each has a column `…_plain` in
`HorizonEffectRecord`."""
RECURRENCE = "recurrence"
"""What is measured of the whole clip."""


class Horizons:
    """The rows of one SAE as arrays."""

    def __init__(self, rows: Sequence[HorizonEffectRecord]) -> None:
        self.rows = rows
        self.alphas = np.array(sorted({row.alpha for row in rows}))
        self.seeds = sorted({row.seed for row in rows})
        self.windows: list[Window] = sorted({(row.start, row.end) for row in rows})
        names = dict.fromkeys(row.intervention for row in rows)
        self.interventions = [name for name in names if name != POOL]

    def moves(self, intervention: str, measure: str) -> dict[str, np.ndarray]:
        """By feature the moves [draw, seed, window] per unit of α; features that lack the measure
        are left out."""
        rows = [
            row
            for row in self.rows
            if row.intervention == intervention and getattr(row, measure) is not None
        ]
        draws = sorted({row.draw for row in rows})
        shape = (len(draws), len(self.seeds), len(self.windows), len(self.alphas))
        alphas = self.alphas.tolist()
        found: dict[str, np.ndarray] = {}
        for row in rows:
            array = found.setdefault(row.feature, np.full(shape, np.nan))
            at = (
                draws.index(row.draw),
                self.seeds.index(row.seed),
                self.windows.index((row.start, row.end)),
                alphas.index(row.alpha),
            )
            array[at] = getattr(row, measure) - getattr(row, f"{measure}_plain")
        return {name: estimate.slopes(array, self.alphas) for name, array in found.items()}


def horizon_records(sae: str, horizons: Horizons) -> Iterator[HorizonRecord]:
    """The table of one SAE."""
    pools = {measure: horizons.moves(POOL, measure) for measure in MEASURES}
    for intervention in horizons.interventions:
        found: list[HorizonRecord] = []
        for measure in MEASURES:
            own = horizons.moves(intervention, measure)
            if own:
                found += _of_measure(sae, horizons, intervention, measure, own, pools[measure])
        yield from _corrected(found)
        yield from _returning(sae, horizons, intervention)


def _of_measure(
    sae: str,
    horizons: Horizons,
    intervention: str,
    measure: str,
    own: dict[str, np.ndarray],
    pool: dict[str, np.ndarray],
) -> Iterator[HorizonRecord]:
    ours, random = _stacked(own, pool, list(own))
    last = horizons.windows.index(LAST)
    for place, window in list(enumerate(horizons.windows))[last:]:
        beyond = None if place == last else _beyond(ours, random, last, place)
        moves = ours[..., place], random[..., place]
        yield _record(sae, horizons, intervention, measure, window, moves, beyond)


def _returning(sae: str, horizons: Horizons, intervention: str) -> Iterator[HorizonRecord]:
    """How much more of what is before the stop returns after it, in the whole clip."""
    own, pool = (horizons.moves(name, RECURRENCE) for name in (intervention, POOL))
    # 1) Every window has what is measured of the whole clip. A silent clip has moves that are not
    #    known: its feature or its direction is left out.
    names = [name for name in own if np.isfinite(own[name]).all() and name in pool]
    if not names:
        return
    ours, random = (one[..., -1] for one in _stacked(own, pool, names))
    random = random[np.isfinite(random).all(axis=(1, 2))]
    # 2) Without two directions there is no interval.
    if len(random) >= 2:
        window = 0.0, horizons.windows[-1][1]
        yield _record(sae, horizons, intervention, RECURRENCE, window, (ours, random), None)


def _stacked(
    own: dict[str, np.ndarray], pool: dict[str, np.ndarray], names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Moves of features [feature, seed, window] and of random directions [direction, feature, seed,
    window]."""
    return np.stack([own[name][0] for name in names]), np.stack([pool[n] for n in names], axis=1)


def _record(
    sae: str,
    horizons: Horizons,
    intervention: str,
    measure: str,
    window: Window,
    moves: tuple[np.ndarray, np.ndarray],
    beyond: Continuity | None,
) -> HorizonRecord:
    """The row of one window, from the `moves` of features [feature, seed] and of random directions
    [direction, feature, seed]."""
    ours, random = moves
    row = next(one for one in horizons.rows if one.intervention == intervention)
    effect, above = estimate.clustered(ours), estimate.clustered(ours, random)
    adjusted = beyond.adjusted if beyond else None
    return HorizonRecord(
        sae=sae,
        hookpoint=row.hookpoint,
        intervention=intervention,
        measure=measure,
        stop=row.stop,
        forgotten=row.forgotten,
        start=window[0],
        end=window[1],
        features=len(ours),
        seeds=ours.shape[1],
        random_directions=len(random),
        effect=effect.value,
        low=finite(effect.low),
        high=finite(effect.high),
        above_random=above.value,
        above_low=finite(above.low),
        above_high=finite(above.high),
        persistence=finite(beyond.persistence.value) if beyond else None,
        persistence_low=finite(beyond.persistence.low) if beyond else None,
        persistence_high=finite(beyond.persistence.high) if beyond else None,
        strength=finite(beyond.strength) if beyond else None,
        inside=beyond.inside if beyond else None,
        adjusted=adjusted.value if adjusted else None,
        adjusted_low=finite(adjusted.low) if adjusted else None,
        adjusted_high=finite(adjusted.high) if adjusted else None,
        p=finite(adjusted.p) if adjusted else None,
        q=None,
    )


def _beyond(ours: np.ndarray, random: np.ndarray, last: int, place: int) -> Continuity:
    own, beside = (
        Moves(before=moves[..., last - 1], last=moves[..., last], later=moves[..., place])
        for moves in (ours, random)
    )
    return beyond_continuity(own, beside)


def _corrected(rows: Sequence[HorizonRecord]) -> list[HorizonRecord]:
    """The rows of one intervention with q."""
    found = [row.p for row in rows if row.p is not None]
    values = iter(estimate.benjamini_hochberg(np.array(found)).tolist())
    return [row if row.p is None else replace(row, q=next(values)) for row in rows]


def horizons_of(directory: RunDirectory) -> list[HorizonRecord]:
    """The table of a run; empty if effects by horizon were not evaluated."""
    if not directory.has(HORIZONS):
        return []
    return records_from(HorizonRecord, directory.read_table(HORIZONS))


def lines(directory: RunDirectory) -> list[str]:
    """The table as text."""
    found = [
        f"{'SAE':18} {'intervention':20} {'measure':16} {'window':>9} {'effect':>8} {'95 %':>18} "
        f"{'above random':>12} {'95 %':>18} {'b':>6} {'inside':>6} {'beyond':>8} {'95 %':>18} "
        f"{'q':>6}"
    ]
    for row in horizons_of(directory):
        window = f"{row.start:g} to {row.end:g}"
        found.append(
            f"{row.sae:18} {row.intervention:20} {row.measure:16} {window:>9} {row.effect:8.4f} "
            f"{interval(row.low, row.high):>18} {row.above_random:12.4f} "
            f"{interval(row.above_low, row.above_high):>18} {number(row.persistence, 2):>6} "
            f"{number(row.inside, 2):>6} "
            f"{number(row.adjusted, 4):>8} {interval(row.adjusted_low, row.adjusted_high):>18} "
            f"{number(row.q, 3):>6}"
        )
    return found
