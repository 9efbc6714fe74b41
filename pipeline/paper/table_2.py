"""Table 2: the features whose music comes closer to their exemplars when they are turned up.

From `steering/table2.parquet`, which `python -m pipeline steer RUN --evaluate` writes. The paper's
intervention, adding αβ times the decoder direction, is the rows `add`; beside them stand random
directions of the same length, which the paper does not have.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.paper.sweep import Run, Sweep
from pipeline.steering.table import TABLE_2
from pipeline.store.records import records_from
from pipeline.store.steering_tables import ImprovedRecord

INTERVENTION = "add"


@dataclass(frozen=True)
class Steered:
    """One SAE, as the evaluation found it."""

    model: str
    layer: str
    expansion: float
    k: int
    found: ImprovedRecord


def steered(sweep: Sweep) -> list[Steered]:
    """One row per SAE that was evaluated, in the order of the sweep."""
    rows = {run.directory.path: _rows(run) for run in sweep.runs}
    return [
        Steered(sae.model, sae.layer, sae.expansion, sae.k, found)
        for sae in sweep.saes
        if (found := rows[sae.run.directory.path].get(sae.name)) is not None
    ]


def _rows(run: Run) -> dict[str, ImprovedRecord]:
    """The paper's intervention, by SAE; empty where the run was not evaluated."""
    stages = run.directory.manifest()["stages"].values()
    if not any(TABLE_2 in stage["files"] for stage in stages):
        return {}
    records = records_from(ImprovedRecord, run.directory.read_table(TABLE_2))
    return {record.sae: record for record in records if record.intervention == INTERVENTION}
