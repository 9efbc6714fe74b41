"""Stage `scores`: scores every label on held-out tracks (the column `held_out` marks exceptions).

Input: `labels/`, `features/`, `corpus.parquet`. Parameters: `[scores]`. Output per SAE and scorer:
`scores/NAME/SCORER.parquet`, one method after another; also CLAP's embeddings, if a scorer uses
them. A label that cannot be scored has a row of status `failed` and is counted.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import Any

from pipeline.cache import SharedTables
from pipeline.config import RunConfig
from pipeline.context import SaeContext, open_context
from pipeline.progress import Progress
from pipeline.scorers import scorer
from pipeline.scorers.base import Scorer
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import ScoreRecord, table_of


def run(config: RunConfig, directory: RunDirectory, *, progress: Progress) -> None:
    """Score the labels of every SAE and method with every scorer of the config."""
    scorers = {name: scorer(name) for name in config.scores.scorers}
    with directory.writer("scores") as writer:
        tables = SharedTables(directory, writer)
        for sae in directory.sae_names():
            context = open_context(config, directory, sae, progress=progress, tables=tables)
            writer.summary[sae] = {}
            for name, grading in scorers.items():
                graded = {
                    method: score_labels(context, method, name, grading)
                    for method in config.labels.methods
                }
                rows = [row for records in graded.values() for row in records]
                writer.write_table(f"scores/{sae}/{name}.parquet", table_of(ScoreRecord, rows))
                writer.summary[sae][name] = {
                    method: counted(records) for method, records in graded.items()
                }


def score_labels(context: SaeContext, method: str, name: str, grading: Scorer) -> list[ScoreRecord]:
    """The scores of all labels of one method for one SAE, by the scorer `name`."""
    context.progress.start(f"scores {context.sae} {name} {method}", 0, "label")
    rows, heard_by = [], grading.heard_by(context)
    for record in grading.score(context, method):
        rows.append(replace(record, heard_by=heard_by))
        context.progress.advance()
    context.progress.finish()
    return rows


def counted(records: list[ScoreRecord]) -> dict[str, Any]:
    """Counts for the manifest: labels, labels without a score, median score of rank-1 labels."""
    best = [row.score for row in records if row.rank == 1 and row.score is not None]
    return {
        "labels": len(records),
        "failed": sum(row.status == "failed" for row in records),
        "median_score_of_rank_1": round(median(best), 4) if best else None,
    }
