"""Tables of an evaluation: dose slopes, and Table 2 of the paper with its random directions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from pipeline.steering import slopes as estimate
from pipeline.steering.interventions import PAIR
from pipeline.steering.plan import POOL
from pipeline.steering.slopes import finite
from pipeline.store.records import records_from
from pipeline.store.run_directory import RunDirectory
from pipeline.store.steering_tables import (
    AblationRecord,
    EffectRecord,
    ImprovedRecord,
    MeanSlopeRecord,
    SelectionRecord,
    SlopeRecord,
)

MEASURES = ("similarity", "label_similarity", "concept_score")
"""What slopes are given of; each has a column `…_plain` in `EffectRecord`."""
TABLE_2, SLOPES = "steering/table2.parquet", "steering/slopes.parquet"
SELECTION, ABLATION = "steering/selection.parquet", "steering/ablation.parquet"
FDR = 0.05
ABLATIONS = ("ablate-asked", "random-ablation")
"""Made in music that labels ask for, so that random directions in other music say nothing of them:
`causal` compares the two with one another."""
OWN_RANDOM = "random-direction"
"""The intervention that Table 2 has beside every other: one random direction per feature."""


class Effects:
    """The rows of one SAE as arrays."""

    def __init__(self, rows: Sequence[EffectRecord]) -> None:
        self.rows = rows
        self.alphas = np.array(sorted({row.alpha for row in rows}))
        self.seeds = sorted({row.seed for row in rows})
        self.draws = sorted({row.draw for row in rows if row.intervention == POOL})
        own = [row for row in rows if row.intervention != POOL]
        self.interventions = list(dict.fromkeys(row.intervention for row in own))
        self.beside_random = [name for name in self.interventions if name not in ABLATIONS]
        self.features = {
            name: list(dict.fromkeys(row.feature for row in own if row.intervention == name))
            for name in self.interventions
        }
        self.beta = {row.feature: row.beta for row in own}
        self._gains: dict[tuple[str, str], dict[tuple[str, int], np.ndarray]] = {}

    def hookpoint(self, intervention: str) -> str:
        """Where an intervention changes the stream."""
        return next(row.hookpoint for row in self.rows if row.intervention == intervention)

    def gains(self, intervention: str, measure: str) -> dict[tuple[str, int], np.ndarray]:
        """By feature and draw the rise of a measure, [seed, α]; NaN where there is no clip, and
        without features that lack the measure."""
        key = intervention, measure
        if key not in self._gains:
            self._gains[key] = self._collected(intervention, measure)
        return self._gains[key]

    def _collected(self, intervention: str, measure: str) -> dict[tuple[str, int], np.ndarray]:
        seed_at = {seed: place for place, seed in enumerate(self.seeds)}
        alpha_at = {alpha: place for place, alpha in enumerate(self.alphas.tolist())}
        found: dict[tuple[str, int], np.ndarray] = {}
        for row in self.rows:
            with_, without = getattr(row, measure), getattr(row, f"{measure}_plain")
            if row.intervention == intervention and with_ is not None and without is not None:
                empty = np.full((len(self.seeds), len(self.alphas)), np.nan)
                array = found.setdefault((row.feature, row.draw), empty)
                array[seed_at[row.seed], alpha_at[row.alpha]] = with_ - without
        return found

    def slopes(self, intervention: str, measure: str) -> tuple[list[str], np.ndarray]:
        """Features that have the measure, and their slopes [feature, seed]."""
        found = self.gains(intervention, measure)
        names = [name for name in self.features[intervention] if (name, 0) in found]
        each = [estimate.slopes(found[name, 0], self.alphas) for name in names]
        return names, np.array(each).reshape(len(names), len(self.seeds))

    def pool(self, names: Sequence[str], measure: str) -> np.ndarray:
        """Slopes of the random directions towards features, [direction, feature, seed], each at the
        feature's β."""
        found = self.gains(POOL, measure)
        beta_of = {row.draw: row.beta for row in self.rows if row.intervention == POOL}
        return np.array(
            [
                [
                    estimate.slopes(found[name, draw], self.alphas)
                    * (self.beta[name] / beta_of[draw])
                    for name in names
                ]
                for draw in self.draws
            ]
        )

    def improved(self, intervention: str) -> dict[str, np.ndarray]:
        """Whether each feature's similarity is larger at α = 1, [seed + 1] bool: by the mean over
        seeds, then by each seed."""
        at = int(np.flatnonzero(self.alphas == 1.0)[0])
        found = self.gains(intervention, "similarity")
        each = {
            name: found[name, 0][:, at]
            for name in self.features.get(intervention, [])
            if (name, 0) in found and not name.startswith(PAIR)
        }
        return {name: np.append(gain.mean(), gain) > 0 for name, gain in each.items()}

    def pool_share(self, names: Sequence[str]) -> float:
        """Share of the random directions that improve a feature at α = 1, mean over features."""
        at = int(np.flatnonzero(self.alphas == 1.0)[0])
        found = self.gains(POOL, "similarity")
        each = [found[name, draw][:, at].mean() > 0 for name in names for draw in self.draws]
        return float(np.mean(each)) if each else float("nan")

    def at_one(self, intervention: str, value: Callable[[EffectRecord], float | None]) -> float:
        """Mean of a column over an intervention's clips at α = 1, without missing values; NaN if
        all are missing."""
        rows = [r for r in self.rows if r.intervention == intervention and r.alpha == 1.0]
        there = [one for one in map(value, rows) if one is not None]
        return float(np.mean(there)) if there else float("nan")


def slope_records(effects: Effects) -> Iterator[SlopeRecord]:
    """Slopes of every feature, intervention and measure, beside the random directions'."""
    for intervention in effects.beside_random:
        for measure in MEASURES:
            names, values = effects.slopes(intervention, measure)
            if not names:
                continue
            pool = effects.pool(names, measure).mean(axis=2)
            beside = estimate.against_random(values.mean(axis=1), pool)
            for place, name in enumerate(names):
                mean = estimate.over_seeds(values[place])
                yield SlopeRecord(
                    feature=name,
                    intervention=intervention,
                    measure=measure,
                    slope=mean.value,
                    low=finite(mean.low),
                    high=finite(mean.high),
                    seeds=values.shape[1],
                    random_slope=float(beside.mean[place]),
                    random_deviation=float(beside.deviation[place]),
                    random_below=int(beside.below[place]),
                    random_directions=len(pool),
                    p=float(beside.p[place]),
                    q=float(beside.q[place]),
                )


def mean_slope_records(
    sae: str,
    effects: Effects,
    each: Sequence[SlopeRecord],
    distances: dict[str, tuple[float, float]],
) -> Iterator[MeanSlopeRecord]:
    """Mean slopes of every intervention and measure. `distances` are the Fréchet distances of
    each intervention's clips, and of those of the same features along their random directions."""
    for intervention in effects.beside_random:
        for measure in MEASURES:
            names, values = effects.slopes(intervention, measure)
            if not names:
                continue
            pool = effects.pool(names, measure)
            mean, above = estimate.clustered(values), estimate.clustered(values, pool)
            own = [r for r in each if (r.intervention, r.measure) == (intervention, measure)]
            yield MeanSlopeRecord(
                sae=sae,
                hookpoint=effects.hookpoint(intervention),
                intervention=intervention,
                measure=measure,
                features=len(names),
                seeds=values.shape[1],
                random_directions=len(pool),
                slope=mean.value,
                low=finite(mean.low),
                high=finite(mean.high),
                above_random=above.value,
                above_low=finite(above.low),
                above_high=finite(above.high),
                p=finite(above.p),
                beating=sum(one.q <= FDR for one in own),
                own_raised=finite(_raised(effects, intervention)),
                own_moved=finite(effects.at_one(intervention, lambda r: r.own_moved)),
                others_moved=effects.at_one(intervention, lambda r: r.others_moved),
                frechet=finite(distances[intervention][0]),
                frechet_random=finite(distances[intervention][1]),
                loudness_lufs=finite(effects.at_one(intervention, lambda r: r.loudness_lufs)),
                silent_share=effects.at_one(intervention, lambda r: r.silent_share),
                clipped_share=effects.at_one(intervention, lambda r: r.clipped_share),
                repetition=effects.at_one(intervention, lambda r: r.repetition),
            )


def _raised(effects: Effects, intervention: str) -> float:
    """Share of features whose own activation, mean over seeds, is higher at α = 1."""
    at = int(np.flatnonzero(effects.alphas == 1.0)[0])
    found = effects.gains(intervention, "own_activation")
    each = [array[:, at].mean() > 0 for array in found.values()]
    return float(np.mean(each)) if each else float("nan")


def improved_records(sae: str, effects: Effects, kept: int) -> Iterator[ImprovedRecord]:
    """Table 2: how many features each intervention improved, beside random directions."""
    random = effects.improved(OWN_RANDOM)
    for intervention in effects.beside_random:
        ours = effects.improved(intervention)
        if not ours:
            continue
        beside = [name for name in ours if name in random]
        count, random_count = (
            sum(bool(found[name][0]) for name in names)
            for found, names in ((ours, list(ours)), (random, beside))
        )
        low, high = estimate.wilson(count, len(ours))
        random_low, random_high = estimate.wilson(random_count, len(beside))
        both = [np.array([found[name][0] for name in beside], bool) for found in (ours, random)]
        yield ImprovedRecord(
            sae=sae,
            hookpoint=effects.hookpoint(intervention),
            intervention=intervention,
            kept=kept,
            tried=len(ours),
            seeds=len(effects.seeds),
            improved=count,
            low=low,
            high=high,
            random_tried=len(beside),
            random_improved=random_count,
            random_low=finite(random_low),
            random_high=finite(random_high),
            p=estimate.mcnemar(*both) if beside else None,
            pool_share=effects.pool_share(list(ours)),
            improved_one_seed=sum(bool(found[1]) for found in ours.values()),
        )


def table_two(directory: RunDirectory) -> list[ImprovedRecord]:
    """Table 2 of a run, one row per SAE and intervention; empty if it was not evaluated."""
    if not directory.has(TABLE_2):
        return []
    return records_from(ImprovedRecord, directory.read_table(TABLE_2))


def mean_slopes(directory: RunDirectory) -> list[MeanSlopeRecord]:
    """Mean slopes of a run, per SAE, intervention and measure; empty if it was not evaluated."""
    if not directory.has(SLOPES):
        return []
    return records_from(MeanSlopeRecord, directory.read_table(SLOPES))


def lines(directory: RunDirectory) -> list[str]:
    """The tables as text. Raises `PipelineError` if the run was not evaluated."""
    found = [
        f"{'SAE':18} {'intervention':20} {'improved':>9} {'95 %':>9} {'random':>9} {'95 %':>9} "
        f"{'p':>7} {'pool':>5}"
    ]
    for two in table_two(directory):
        found.append(
            f"{two.sae:18} {two.intervention:20} {two.improved:3} of {two.tried:<3}"
            f"{_percents(two.low, two.high):>9} {two.random_improved:3} of {two.random_tried:<3}"
            f"{_percents(two.random_low, two.random_high):>9} {number(two.p, 4):>7} "
            f"{two.pool_share:5.0%}"
        )
    found += ["", f"{'SAE':18} {'intervention':20} {'measure':16} {'slope':>8} {'95 %':>18} "
                  f"{'above random':>12} {'95 %':>18} {'q≤.05':>6} {'own up':>6} {'moved':>6} "
                  f"{'others':>6} {'Fréchet':>7}"]  # fmt: skip
    for mean in mean_slopes(directory):
        found.append(
            f"{mean.sae:18} {mean.intervention:20} {mean.measure:16} {mean.slope:8.4f} "
            f"{interval(mean.low, mean.high):>18} {mean.above_random:12.4f} "
            f"{interval(mean.above_low, mean.above_high):>18} {mean.beating:2}/{mean.features:<3} "
            f"{number(mean.own_raised, 2):>6} {number(mean.own_moved, 2):>6} "
            f"{mean.others_moved:6.2f} {number(mean.frechet, 3):>7}"
        )
    for one in records_from(AblationRecord, directory.read_table(ABLATION)):
        found.append(
            f"{one.sae}: ablation lowers {one.measure} by {one.fall:.4f}, a random one by "
            f"{one.random_fall:.4f}: {one.more:.4f} more "
            f"({interval(one.more_low, one.more_high)}), {one.features} features"
        )
    for rank in records_from(SelectionRecord, directory.read_table(SELECTION)):
        found.append(
            f"{rank.sae}: rank correlation of the output score with the slope of {rank.measure}: "
            f"{rank.rho:.2f} ({interval(rank.low, rank.high)}), {rank.features} features"
        )
    return found


def number(value: float | None, digits: int) -> str:
    """A number as text, or a dash for none."""
    return "–" if value is None else f"{value:.{digits}f}"


def _percents(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{low:.0%}–{high:.0%}"


def interval(low: float | None, high: float | None) -> str:
    """An interval as text, or a dash for none."""
    return "–" if low is None or high is None else f"{low:.4f} … {high:.4f}"
