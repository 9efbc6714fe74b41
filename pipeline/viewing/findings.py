"""What the stages of a run found, in figures that are small enough for a page.

They are computed once, when a stage is done, from the run's tables; a page only draws them.
Quantiles are interpolated linearly, as numpy and pandas do by default. Scores are of each method's
best label of a feature, its rank 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from typing import TYPE_CHECKING, Any

from pipeline.errors import PipelineError
from pipeline.labelers import is_control
from pipeline.scorers import COMPARABLE
from pipeline.store.records import records_from, schema_of
from pipeline.store.run_directory import RunDirectory
from pipeline.store.steering_tables import (
    ImprovedRecord,
    MeanSlopeRecord,
    OutputScoreRecord,
    SelectionRecord,
    SlopeRecord,
)

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

CURVE_POINTS = 120
"""Maximum number of points of a training curve."""
GRID = (24, 14)
"""Cells by rate and by strength that latents are counted in; both axes are logarithmic."""
BEST = 10
HELD_OUT = ("fvu", "l0", "dead_share", "dense_share", "cosine")
"""Figures on validation frames; runs of earlier versions have the first and third only."""
FILTER = ("threshold", "threshold_unit", "min_rate", "max_rate", "min_tracks")
RANKED = ("slope", "low", "high", "random_slope", "q")
"""Columns of a feature's slope in the ranking."""

Json = dict[str, Any]


def of_stage(directory: RunDirectory, stage: str) -> Json:
    """The findings of a finished stage of `STAGES` as plain values for JSON.

    Raises `PipelineError` if a table is missing or lacks a column.
    """
    return STAGES[stage](directory)


def _training(directory: RunDirectory) -> Json:
    """SAE → its figures on validation frames (None if there were none), how many of its latents
    fire how often there, and its training curve."""
    summary = directory.summary("sae")
    held_out = summary.get("validation") or {}
    files = directory.manifest()["stages"]["sae"]["files"]
    found = {}
    for sae in directory.sae_names():
        table = f"sae/{sae}/training.parquet"
        # An adopted SAE was trained elsewhere and has no curve.
        drawn = curve(directory, table) if table in files else {"every": 1, "points": []}
        figures = held_out.get(sae)
        found[sae] = {
            "held_out": figures and {name: _finite(figures.get(name)) for name in HELD_OUT},
            "densities": _densities((figures or {}).get("densities"), directory, sae),
            "curve": drawn,
        }
    return {"saes": found}


def _finite(value: Any) -> float | None:
    return float(value) if value is not None and isfinite(value) else None


def _densities(counts: Sequence[int] | None, directory: RunDirectory, sae: str) -> list[int]:
    """Latents that never fire, then those in each bin of `sae.evaluate`'s histogram of densities;
    empty if they were not counted."""
    if not counts:
        return []
    latents: int = directory.read_json(f"sae/{sae}/cfg.json")["d_sae"]
    return [latents - sum(counts), *counts]


def _measured(directory: RunDirectory) -> Json:
    """SAE → what `python -m pipeline quality` measured after the run."""
    names = ("sae", "n_latents", "densities", "loss_tracks", "loss_recovered", *HELD_OUT)
    rows = directory.read_table("quality.parquet").select(names).to_pylist()
    return {
        "saes": {
            row["sae"]: {
                "held_out": {name: _finite(row[name]) for name in HELD_OUT},
                "densities": [row["n_latents"] - sum(row["densities"]), *row["densities"]],
                "loss_tracks": row["loss_tracks"],
                "loss_recovered": _finite(row["loss_recovered"]),
            }
            for row in rows
        }
    }


def curve(directory: RunDirectory, table: str) -> Json:
    """`points`: [step, share of the batch's variance that is explained], each the mean over `every`
    rows of the table, at the last row's step. What is not finite, in a training that diverged, is
    left out: neither a picture nor JSON has a place for it."""
    import numpy as np

    steps, explained = _columns(directory, table, "step", "batch_variance_explained")
    steps, explained = steps[np.isfinite(explained)], explained[np.isfinite(explained)]
    every = max(1, -(-len(steps) // CURVE_POINTS))
    points = [
        [int(steps[start : start + every][-1]), float(explained[start : start + every].mean())]
        for start in range(0, len(steps), every)
    ]
    return {"every": every, "points": points}


def _filtered(directory: RunDirectory) -> Json:
    """The filter's borders, and SAE → its latents: counts by reason, and where they lie."""
    columns = ("hookpoint", "rate", "max_activation", "kept", "reason")
    read = {
        sae: _columns(directory, f"features/{sae}.parquet", *columns)
        for sae in directory.sae_names()
    }
    box = _box([(rate, strength) for _, rate, strength, *_ in read.values()])
    rules = directory.description("config")["config"].get("features") or {}
    usable = directory.summary("corpus").get("usable") or {}
    return {
        "filter": {name: rules.get(name) for name in FILTER},
        "tracks": usable.get("validation"),
        "saes": {sae: _latents(values, box) for sae, values in read.items()},
    }


def _latents(columns: Sequence[np.ndarray], box: Sequence[float]) -> Json:
    import numpy as np

    hookpoint, rate, strength, kept, reason = columns
    names, counts = np.unique(reason[~kept].astype(str), return_counts=True)
    fires = _firing(rate, strength)
    return {
        "hookpoint": str(hookpoint[0]) if len(hookpoint) else "",
        "latents": len(kept),
        "kept": int(kept.sum()),
        "dropped": {str(name): int(count) for name, count in zip(names, counts, strict=True)},
        "silent": int((~fires).sum()),
        "dots": {
            "kept": dots(rate[fires & kept], strength[fires & kept], box),
            "dropped": dots(rate[fires & ~kept], strength[fires & ~kept], box),
        },
    }


def _firing(rate: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Whether each latent [latent] has a place on logarithmic axes."""
    import numpy as np

    placed: np.ndarray = (rate > 0) & (strength > 0) & np.isfinite(strength)
    return placed


def dots(rate: np.ndarray, strength: np.ndarray, box: Sequence[float]) -> list[list[float]]:
    """[number of latents, rate, strength] of every cell of `GRID` over `box` that has latents.

    Rate and strength are geometric means over the cell's latents [latent], all greater than 0, so
    that a cell with one latent shows where it is. `box`: smallest and largest rate, then strength.
    """
    import numpy as np

    if not len(rate):
        return []
    x, y = np.log10(rate), np.log10(strength)
    low_x, high_x, low_y, high_y = np.log10(box)
    cells = _cell(x, low_x, high_x, GRID[0]) * GRID[1] + _cell(y, low_y, high_y, GRID[1])
    _, place, counts = np.unique(cells, return_inverse=True, return_counts=True)
    means = [10 ** (np.bincount(place, weights=values) / counts) for values in (x, y)]
    return [
        [int(count), float(f"{a:.6g}"), float(f"{b:.6g}")]
        for count, a, b in zip(counts, *means, strict=True)
    ]


def _cell(values: np.ndarray, low: float, high: float, cells: int) -> np.ndarray:
    import numpy as np

    width = (high - low) / cells or 1.0
    places: np.ndarray = np.clip(((values - low) / width).astype(int), 0, cells - 1)
    return places


def _box(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[float]:
    """Smallest and largest rate, then strength, of all latents that fire; one box for all SAEs, so
    that their pictures can be compared."""
    import numpy as np

    firing = [_firing(rate, strength) for rate, strength in pairs]
    found = [[values[fires] for values in pair] for pair, fires in zip(pairs, firing, strict=True)]
    rates, strengths = (np.concatenate([np.empty(0), *(p[at] for p in found)]) for at in (0, 1))
    if not len(rates):
        return [1.0] * 4
    return [float(v) for v in (rates.min(), rates.max(), strengths.min(), strengths.max())]


def _graded(directory: RunDirectory) -> Json:
    """Scorer → method → its scores, by SAE and over all; and the features with the best scores."""
    scores: dict[str, dict[str, dict[str, Any]]] = {}
    comparable: dict[str, bool] = {}
    heard_by: dict[str, set[str]] = {}
    for sae, scorer, rows in _scores(directory):
        comparable[scorer] = comparable.get(scorer, True) and all(rows["comparable"])
        heard_by.setdefault(scorer, set()).update(_heard_by(directory, sae, scorer))
        for method in dict.fromkeys(rows["method"]):
            own = rows["method"] == method
            scores.setdefault(scorer, {}).setdefault(method, {})[sae] = _values(rows, own)
    main = next((name for name in (*COMPARABLE, "reading") if name in scores), "")
    return {
        "scorers": {
            scorer: {
                "comparable": comparable[scorer],
                "heard_by": sorted(heard_by[scorer]),
                "methods": {method: _spreads(saes) for method, saes in methods.items()},
            }
            for scorer, methods in scores.items()
        },
        "main": main,
        "best": best_features(directory, main) if main else [],
    }


def _heard_by(directory: RunDirectory, sae: str, scorer: str) -> list[str]:
    """The CLAPs that scored; none if the table, an older one, does not say."""
    table: pa.Table = directory.read_table(f"scores/{sae}/{scorer}.parquet")
    if "heard_by" not in table.column_names:
        return []
    return [str(judge) for judge in table["heard_by"].unique().to_pylist()]


def _values(rows: Mapping[str, np.ndarray], own: np.ndarray) -> np.ndarray:
    """The scores [label], NaN where there is none."""
    import numpy as np

    score = rows["score"][own].astype(float)
    return np.where(rows["status"][own] == "ok", score, np.nan)


def _spreads(saes: Mapping[str, np.ndarray]) -> Json:
    import numpy as np

    return {
        "all": spread(np.concatenate([*saes.values()])),
        "saes": {sae: spread(values) for sae, values in saes.items()},
    }


def spread(scores: np.ndarray) -> Json:
    """Quartiles of the scores [label], `n` of them, and how many labels have none (NaN)."""
    import numpy as np

    known = scores[np.isfinite(scores)]
    quartiles = np.quantile(known, (0.25, 0.5, 0.75)).tolist() if len(known) else [None] * 3
    named = dict(zip(("q25", "median", "q75"), quartiles, strict=True))
    return {"n": len(known), "without": len(scores) - len(known), **named}


def best_features(directory: RunDirectory, scorer: str) -> list[Json]:
    """The `BEST` features by the score of a method's best label, controls left out.

    A feature counts once, by its best method; ties are in alphabetical order.
    """
    found: list[tuple[float, str, str, str]] = []
    for sae, _, rows in _scores(directory, scorer):
        for feature, method, score, status in zip(
            rows["feature"], rows["method"], rows["score"], rows["status"], strict=True
        ):
            if status == "ok" and isfinite(score) and not is_control(method):
                found.append((-float(score), sae, feature, method))
    chosen: dict[str, Json] = {}
    for negative, sae, feature, method in sorted(found):
        if len(chosen) == BEST:
            break
        if feature not in chosen:
            chosen[feature] = {
                "sae": sae, "feature": feature, "method": method, "score": -negative,
                "text": _text(directory, sae, method, feature),
                "clip": _clip(directory, sae, feature),
            }  # fmt: skip
    return [*chosen.values()]


def _text(directory: RunDirectory, sae: str, method: str, feature: str) -> str:
    table = f"labels/{sae}/{method}.parquet"
    owners, ranks, texts = _columns(directory, table, "feature", "rank", "text")
    return next((str(t) for t in texts[(owners == feature) & (ranks == 1)]), "")


def _clip(directory: RunDirectory, sae: str, feature: str) -> str:
    """SHA-256 of the feature's strongest exemplar, "" if it has none."""
    table = f"exemplars/{sae}.parquet"
    owners, ranks, clips = _columns(directory, table, "feature", "rank", "clip")
    return next((str(c) for c in clips[(owners == feature) & (ranks == 1)]), "")


def _scores(
    directory: RunDirectory, of: str = ""
) -> Iterator[tuple[str, str, dict[str, np.ndarray]]]:
    """SAE, scorer and columns [label] of every table of scores, or of those `of` one scorer; only
    labels of rank 1."""
    names = ("feature", "method", "rank", "score", "status", "comparable")
    for path in sorted(directory.manifest()["stages"]["scores"]["files"]):
        folder, _, file = path.rpartition("/")
        scorer, dot, suffix = file.rpartition(".")
        is_table = bool(dot) and suffix == "parquet" and folder.startswith("scores/")
        if is_table and of in ("", scorer):
            columns = dict(zip(names, _columns(directory, path, *names), strict=True))
            first = columns["rank"] == 1
            rows = {name: values[first] for name, values in columns.items()}
            yield folder.removeprefix("scores/"), scorer, rows


def _columns(directory: RunDirectory, relative: str, *names: str) -> list[np.ndarray]:
    """Columns [row] of a table as arrays; raises `PipelineError` if it lacks one."""
    table: pa.Table = directory.read_table(relative)
    if missing := [name for name in names if name not in table.column_names]:
        raise PipelineError(f"{relative} has no column {missing[0]}")
    return [table.column(name).to_numpy() for name in names]


def _evaluated(directory: RunDirectory) -> Json:
    """Table 2, mean slopes and rank correlations of an evaluation of steering; and of every SAE the
    ranking of its kept features: index, rank, output score, and slopes of `add` by measure."""
    return {
        "table2": _typed(directory, "steering/table2.parquet", ImprovedRecord),
        "slopes": _typed(directory, "steering/slopes.parquet", MeanSlopeRecord),
        "selection": _typed(directory, "steering/selection.parquet", SelectionRecord),
        "saes": {
            sae: _ranking(directory, sae)
            for sae in directory.sae_names()
            if directory.has(f"steering/{sae}.output-scores.parquet")
        },
    }


def _typed(directory: RunDirectory, relative: str, kind: type[Any]) -> list[Json]:
    """The rows of a table of records; a number that is not finite is None. Raises `PipelineError`
    for a column of another type."""
    import pyarrow as pa

    table, schema = directory.read_table(relative), schema_of(kind)
    try:
        table = pa.table(
            {
                n: table[n].cast(schema.field(n).type)
                for n in schema.names
                if n in table.column_names
            }
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise PipelineError(f"{relative} has a column of another type: {error}") from error
    return [
        {name: _finite(one) if isinstance(one, float) else one for name, one in asdict(row).items()}
        for row in records_from(kind, table)
    ]


def _ranking(directory: RunDirectory, sae: str) -> Json:
    slopes: dict[str, dict[str, Json]] = {}
    for row in _typed(directory, f"steering/{sae}.slopes.parquet", SlopeRecord):
        if row["intervention"] == "add":
            own = {name: row[name] for name in RANKED}
            slopes.setdefault(row["feature"], {})[row["measure"]] = own
    scores = _typed(directory, f"steering/{sae}.output-scores.parquet", OutputScoreRecord)
    return {
        "random_score": scores[0]["random_score"] if scores else None,
        "rows": [
            [
                int(row["feature"].rpartition("/")[2]),
                row["rank"],
                row["score"],
                slopes.get(row["feature"], {}),
            ]
            for row in scores
        ],
    }


# To add a stage's findings: its function here, their place in `studyapp/runs/views/findings.py`.
STAGES: dict[str, Callable[[RunDirectory], Json]] = {
    "sae": _training,
    "features": _filtered,
    "scores": _graded,
    "quality": _measured,
    "steering-evaluation": _evaluated,
}
