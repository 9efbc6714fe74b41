"""Stage `labels`: every method labels every kept feature.

Input: `corpus.parquet`, `features/`, `exemplars/`, and for some methods the corpus's audio.
Parameters: `[labels]` and the methods' own sections. Output per SAE and method:
`labels/NAME/METHOD.parquet`; also what a method computes once per run (such as
`labels/descriptors.parquet`) and its raw replies. A feature that a method cannot label has a row of
status `failed` and is counted with its reason. Synonymous candidates are merged.

If a remote service gave no answers (because of the key, a quota, an outage), the tables so far are
written for inspection, but the stage is not done; the next start asks the other questions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.cache import SharedTables
from pipeline.config import RunConfig
from pipeline.context import SaeContext, open_context
from pipeline.labelers import in_order
from pipeline.labelers.base import Labeler
from pipeline.labelers.distinct import distinct, names_of
from pipeline.progress import Progress
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import LabelCandidate, table_of
from pipeline.store.writers import StageWriter


class _Unfinished(Exception):  # noqa: N818 - not an error: a service has not answered yet
    """Leaves the writer's context, so that the stage does not enter the manifest."""


def run(config: RunConfig, directory: RunDirectory, *, progress: Progress) -> str:
    """Label the features of every SAE with every method of the config.

    Returns "" when that is done, else one line that says why it is not done yet.
    """
    # Check all methods first: an unknown one must not be noticed after the work of the others.
    methods = in_order(config.labels.methods, config)
    for labeler in methods.values():
        labeler.ready(config)
    try:
        with directory.writer("labels") as writer:
            tables = SharedTables(directory, writer)
            for sae in directory.sae_names():
                context = open_context(config, directory, sae, progress=progress, tables=tables)
                counts = _label(context, methods, writer)
                writer.summary[sae] = {method: counts[method] for method in config.labels.methods}
    except _Unfinished as why:
        return str(why)
    return ""


def _label(
    context: SaeContext, methods: Mapping[str, Labeler], writer: StageWriter
) -> dict[str, Any]:
    """Label the features of one SAE and return the counts of each method."""
    counts: dict[str, Any] = {}
    for method, labeler in methods.items():
        rows = label_features(context, method, labeler)
        relative = f"labels/{context.sae}/{method}.parquet"
        writer.write_table(relative, table_of(LabelCandidate, rows))
        counts[method] = counted(context, rows)
        context.progress.note(
            f"{context.sae}: {method} gave {counts[method]['candidates']} candidates for "
            f"{counts[method]['features']} features, {counts[method]['failed']} failed"
        )
        if context.tables.unfinished:
            raise _Unfinished(f"stage labels is not done: {context.tables.unfinished}")
    return counts


def label_features(context: SaeContext, method: str, labeler: Labeler) -> list[LabelCandidate]:
    """The candidates of one method for one SAE, features in order, synonyms merged."""
    labeler.prepare(context)
    context.progress.start(f"labels {context.sae} {method}", len(context.features), "feature")
    rows = []
    for candidate in labeler.label(context, context.features):
        rows.append(candidate)
        context.progress.advance(1 if candidate.rank == 1 else 0)
    context.progress.finish()
    return distinct(rows, names_of(context, rows))


def counted(context: SaeContext, rows: Sequence[LabelCandidate]) -> dict[str, Any]:
    """Counts for the manifest: features, failures with reasons, candidates of one method."""
    failed = [row for row in rows if row.status == "failed"]
    counts: dict[str, Any] = {
        "features": len(context.features),
        "failed": len(failed),
        "candidates": len(rows) - len(failed),
    }
    if failed:
        counts["reasons"] = dict(sorted(Counter(row.reason for row in failed).items()))
    merged = sum(len(row.merged) for row in rows)
    if merged:
        counts["merged"] = merged
    return counts
