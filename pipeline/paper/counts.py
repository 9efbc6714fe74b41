"""Table 1 and Figure 7: how many latents of each SAE are kept, and why the others are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.errors import PipelineError
from pipeline.paper.published import TABLE_1, Kept
from pipeline.paper.sweep import Sae, Sweep

REASONS = {
    "never_fires": "r = 0",
    "too_frequent": "r > ",
    "too_rare": "r < ",
    "too_few_tracks": "fires in fewer than ",
}
"""Columns of dropped latents, and how the filter's reason for them begins
(`pipeline.features.filter.drop_reasons`). The first three are the paper's; a latent is counted
under the first rule that drops it."""


@dataclass(frozen=True, kw_only=True)
class Count:
    """One SAE's latents."""

    model: str
    layer: str
    expansion: float
    k: int
    kept: int
    latents: int
    never_fires: int
    too_frequent: int
    too_rare: int
    too_few_tracks: int


def counts(sweep: Sweep) -> list[Count]:
    """One row per SAE, in the order of the sweep."""
    return [_count(sae) for sae in sweep.saes]


def _count(sae: Sae) -> Count:
    kept, reasons = sae.columns(f"features/{sae.name}.parquet", "kept", "reason")
    names, numbers = np.unique(reasons[~kept].astype(str), return_counts=True)
    dropped = dict.fromkeys(REASONS, 0)
    for name, number in zip(names, numbers, strict=True):
        dropped[_column(str(name), sae)] += int(number)
    return Count(
        model=sae.model, layer=sae.layer, expansion=sae.expansion, k=sae.k,
        kept=int(kept.sum()), latents=len(kept), **dropped,
    )  # fmt: skip


def _column(reason: str, sae: Sae) -> str:
    for column, start in REASONS.items():
        if reason.startswith(start):
            return column
    raise PipelineError(f"features/{sae.name}.parquet has an unknown reason: {reason!r:.60}")


@dataclass(frozen=True)
class Layout:
    """Kept features as the paper lays them out: rows by k and expansion, columns by model and
    layer."""

    columns: tuple[tuple[str, str], ...]
    """Model and layer."""
    rows: tuple[tuple[float, int], ...]
    """Expansion and k."""
    cells: tuple[tuple[int | None, ...], ...]
    """[row][column]; None where there is no such SAE."""
    largest: tuple[tuple[bool, ...], ...]
    """[row][column]: whether no other number of the column is larger; never for a 0."""
    total: int


def layout(found: Sequence[Count | Kept]) -> Layout:
    """The layout of one number per SAE. Columns come in the order in which they are first met, so
    `found` is sorted by layer; rows by k, then by expansion."""
    columns = tuple(dict.fromkeys((one.model, str(one.layer)) for one in found))
    rows = tuple(sorted({(one.expansion, one.k) for one in found}, key=lambda row: row[::-1]))
    kept = {((one.expansion, one.k), (one.model, str(one.layer))): one.kept for one in found}
    cells = tuple(tuple(kept.get((row, column)) for column in columns) for row in rows)
    most = [max(cell or 0 for cell in column) for column in zip(*cells, strict=True)]
    largest = tuple(
        tuple(bool(cell) and cell == top for cell, top in zip(row, most, strict=True))
        for row in cells
    )
    return Layout(columns, rows, cells, largest, sum(one.kept for one in found))


def published() -> Layout:
    """The paper's own Table 1."""
    return layout(TABLE_1)
