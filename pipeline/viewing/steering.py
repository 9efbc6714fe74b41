"""What steering did to one feature: its clips, its dose curves, and what else moved.

Read from what `python -m pipeline steer DIR` and `… --evaluate` write after a run. A curve is the
rise of a measure over the clip without steering of the same seed, mean over seeds, with its 95 %
interval over seeds; beside it stand the same random directions as beside the slopes of
`pipeline/steering/slopes.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

from pipeline.errors import PipelineError
from pipeline.steering.plan import POOL
from pipeline.steering.slopes import over_seeds
from pipeline.steering.table import MEASURES
from pipeline.store.records import records_from
from pipeline.store.run_directory import RunDirectory
from pipeline.store.steering_tables import SteeringRecord

if TYPE_CHECKING:
    import numpy as np

OWN, OTHERS = "own_moved", "others_moved"
DRAWN = (*MEASURES, OWN, OTHERS)
"""Measures that have a curve; the last two are changes already."""
FIRST = "add"
"""The paper's intervention, shown before all others."""
BAND = (0.05, 0.95)
"""Quantiles over random directions between which their band lies."""
SLOPES = (
    "slope", "low", "high", "random_slope", "random_deviation", "random_below", "random_directions",
    "p", "q",
)  # fmt: skip

Json = dict[str, Any]
Row = Mapping[str, Any]


def steered(directory: RunDirectory, sae: str, feature: str) -> list[SteeringRecord]:
    """The clips that `python -m pipeline steer` made of the feature, by seed, intervention and α;
    empty if it was not steered."""
    relative = f"steering/{sae}.parquet"
    if not directory.has(relative):
        return []
    rows = records_from(SteeringRecord, directory.read_table(relative))
    own = [row for row in rows if row.feature == feature]
    return sorted(
        own,
        key=lambda row: (row.seed, row.intervention != FIRST, row.intervention, row.alpha),
    )


def evaluated(directory: RunDirectory, sae: str, feature: str) -> Json | None:
    """What an evaluation measured of the feature, as plain values for JSON; None if it was not
    evaluated. Raises `PipelineError` if a table lacks a column."""
    if not directory.has(f"steering/{sae}.effects.parquet"):
        return None
    names = ("intervention", "draw", "alpha", "beta", "seed", OWN, OTHERS)
    both = [name for one in MEASURES for name in (one, f"{one}_plain")]
    rows = _rows(directory, f"steering/{sae}.effects.parquet", feature, (*names, *both))
    own = [row for row in rows if row["intervention"] != POOL]
    score = _score(directory, sae, feature)
    if not own:
        return {"interventions": {}, "score": score}
    alphas = sorted({row["alpha"] for row in own})
    interventions = sorted({row["intervention"] for row in own}, key=lambda n: (n != FIRST, n))
    slopes = _rows(
        directory, f"steering/{sae}.slopes.parquet", feature, ("intervention", "measure", *SLOPES)
    )
    moved = _moved(directory, sae, feature)
    return {
        "alphas": alphas,
        "seeds": len({row["seed"] for row in own}),
        "score": score,
        "interventions": {
            name: {
                "curves": _curves([r for r in own if r["intervention"] == name], alphas),
                "slopes": {
                    row["measure"]: {key: row[key] for key in SLOPES}
                    for row in slopes
                    if row["intervention"] == name
                },
                "moved": [row for row in moved if row["intervention"] == name],
            }
            for name in interventions
        },
        "random": _bands([r for r in rows if r["intervention"] == POOL], own[0]["beta"], alphas),
    }


def _rows(
    directory: RunDirectory, relative: str, feature: str, columns: Sequence[str]
) -> list[Json]:
    """A feature's rows of a table, in its order; a value that is not finite is None."""
    import pyarrow.compute as pc

    table = directory.read_table(relative)
    if missing := [name for name in ("feature", *columns) if name not in table.column_names]:
        raise PipelineError(f"{relative} has no column {missing[0]}")
    own = table.filter(pc.equal(table["feature"], feature)).select(columns).to_pylist()
    return [{name: _plain(value) for name, value in row.items()} for row in own]


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not isfinite(value) else value


def _rise(row: Row, measure: str) -> float | None:
    """How far a measure of the clip is above that of the clip without steering."""
    value = row[measure]
    if value is None or measure in (OWN, OTHERS):
        return None if value is None else float(value)
    plain = row[f"{measure}_plain"]
    return None if plain is None else float(value) - float(plain)


def _curves(rows: Sequence[Row], alphas: Sequence[float]) -> Json:
    """Measure → a point per α: mean, interval over seeds (None for one seed), and each seed's."""
    import numpy as np

    found: Json = {}
    for measure in DRAWN:
        points = []
        for alpha in alphas:
            each = [_rise(row, measure) for row in rows if row["alpha"] == alpha]
            values = [one for one in each if one is not None]
            if values:
                mean = over_seeds(np.array(values))
                points.append(
                    {
                        "alpha": alpha,
                        "mean": mean.value,
                        "low": _plain(mean.low),
                        "high": _plain(mean.high),
                        "each": values,
                    }
                )
        if points:
            found[measure] = points
    return found


def _bands(rows: Sequence[Row], beta: float, alphas: Sequence[float]) -> Json:
    """Measure → per α the mean over random directions, and `BAND`; a direction's value is its mean
    over seeds. Rises are brought to the length of the feature's own vector, as slopes are; how far
    features move is not, since it is no signed effect of first order."""
    import numpy as np

    found: Json = {}
    for measure in DRAWN:
        points = []
        for alpha in alphas:
            of: dict[int, list[float]] = {}
            for row in rows:
                rise = _rise(row, measure) if row["alpha"] == alpha else None
                if rise is not None:
                    scale = beta / row["beta"] if measure in MEASURES and row["beta"] else 1.0
                    of.setdefault(row["draw"], []).append(rise * scale)
            if of:
                each: np.ndarray = np.array([np.mean(values) for values in of.values()])
                low, high = np.quantile(each, BAND).tolist()
                points.append(
                    {
                        "alpha": alpha,
                        "mean": float(each.mean()),
                        "low": low,
                        "high": high,
                        "directions": len(each),
                    }
                )
        if points:
            found[measure] = points
    return found


def _moved(directory: RunDirectory, sae: str, feature: str) -> list[Json]:
    """The other features that moved most; none in an evaluation of an earlier version."""
    relative = f"steering/{sae}.moved.parquet"
    if not directory.has(relative):
        return []
    return _rows(
        directory, relative, feature, ("intervention", "rank", "other", "moved", "random_moved")
    )


def _score(directory: RunDirectory, sae: str, feature: str) -> Json | None:
    """The feature's output score and its place among `of` kept features."""
    relative = f"steering/{sae}.output-scores.parquet"
    if not directory.has(relative):
        return None
    own = _rows(directory, relative, feature, ("rank", "score", "random_score"))
    return {**own[0], "of": directory.read_table(relative).num_rows} if own else None
