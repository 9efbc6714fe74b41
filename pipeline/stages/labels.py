"""Stage `labels`: every method names every kept feature.

Input: `corpus.parquet`, `features/`, `exemplars/`, and for some methods the corpus's audio.
Parameters: `[labels]`. Output, a SAE and method: `labels/NAME/METHOD.parquet`; beside them what a
method computes once a run (`labels/descriptors.parquet`). A feature that a method cannot name has
a row of status `failed` and is counted.
"""

from __future__ import annotations

from pipeline.artifacts import RunDirectory
from pipeline.config import RunConfig
from pipeline.labelers import labeler
from pipeline.labelers.base import Labeler, LabelingContext, SharedTables, open_context
from pipeline.progress import Progress
from pipeline.records import LabelCandidate, table_of


def run(config: RunConfig, directory: RunDirectory, *, progress: Progress) -> None:
    """Label every SAE of the run by every method of the config."""
    # All of them first: a name that is not known must not cost the work of the others.
    methods = {method: labeler(method) for method in config.labels.methods}
    with directory.writer("labels") as writer:
        tables = SharedTables(directory, writer)
        for sae in directory.sae_names():
            context = open_context(config, directory, sae, progress=progress, tables=tables)
            writer.summary[sae] = {}
            for method, named in methods.items():
                rows = label_features(context, method, named)
                writer.write_table(f"labels/{sae}/{method}.parquet", table_of(LabelCandidate, rows))
                writer.summary[sae][method] = counts = counted(context, rows)
                progress.note(
                    f"{sae}: {method} gave {counts['candidates']} candidates for "
                    f"{counts['features']} features, {counts['failed']} failed"
                )


def label_features(context: LabelingContext, method: str, named: Labeler) -> list[LabelCandidate]:
    """Every candidate of one method for one SAE, features in their order."""
    named.prepare(context)
    context.progress.start(f"labels {context.sae} {method}", len(context.features), "feature")
    rows = []
    for candidate in named.label(context, context.features):
        rows.append(candidate)
        context.progress.advance(1 if candidate.rank == 1 else 0)
    context.progress.finish()
    return rows


def counted(context: LabelingContext, rows: list[LabelCandidate]) -> dict[str, int]:
    """What the manifest says of one method: features, features that failed, candidates."""
    failed = sum(row.status == "failed" for row in rows)
    return {
        "features": len(context.features),
        "failed": failed,
        "candidates": len(rows) - failed,
    }
