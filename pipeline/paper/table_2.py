"""Table 2: the features whose music comes closer to their exemplars when they are turned up.

From `steering/table2.parquet`, which `python -m pipeline steer RUN --evaluate` writes. The paper's
intervention, adding αβ times the decoder direction, is the rows `add`; beside each stands the same
number of random directions of the same length, which the paper does not have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.paper.sweep import Run, Sae, Sweep

FILE = "steering/table2.parquet"
INTERVENTION = "add"


@dataclass(frozen=True, kw_only=True)
class Steered:
    """One SAE."""

    model: str
    layer: str
    expansion: float
    k: int
    kept: int
    tried: int
    """Features that were steered, drawn from the kept ones."""
    improved: int
    low: float
    """95 % interval of improved over tried (Wilson)."""
    high: float
    random_tried: int
    random_improved: int
    seeds: int
    """Clips per feature; a feature improved if their mean did."""
    p: float | None
    """Exact McNemar test of the features against their random directions, two-sided."""


def steered(sweep: Sweep) -> list[Steered]:
    """One row per SAE that was evaluated, in the order of the sweep."""
    rows = {run.directory.path: _rows(run) for run in sweep.runs}
    return [
        _row(sae, found)
        for sae in sweep.saes
        if (found := rows[sae.run.directory.path].get(sae.name)) is not None
    ]


def _rows(run: Run) -> dict[str, dict[str, Any]]:
    """The paper's intervention, by SAE; empty where the run was not evaluated."""
    stages = run.directory.manifest()["stages"].values()
    if not any(FILE in stage["files"] for stage in stages):
        return {}
    table = run.directory.read_table(FILE).to_pylist()
    return {row["sae"]: row for row in table if row["intervention"] == INTERVENTION}


def _row(sae: Sae, found: dict[str, Any]) -> Steered:
    stored = (
        "kept", "tried", "improved", "low", "high", "random_tried", "random_improved", "seeds", "p"
    )  # fmt: skip
    return Steered(
        model=sae.model,
        layer=sae.layer,
        expansion=sae.expansion,
        k=sae.k,
        **{name: found[name] for name in stored},
    )
