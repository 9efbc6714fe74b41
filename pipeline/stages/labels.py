"""Stage `labels`: every method names every kept feature.

Input: `corpus.parquet`, `features/`, `exemplars/`, and for some methods the corpus's audio.
Parameters: `[labels]` and the methods' own sections. Output, a SAE and method:
`labels/NAME/METHOD.parquet`; beside them what a method computes once a run
(`labels/descriptors.parquet`) and its raw replies. A feature that a method cannot name has a row
of status `failed` and is counted with its reason. Candidates that say the same are one.

Where a remote service gave no answers for now (a key, a quota, an outage) the tables so far are
written for a person to look at, and the stage is not done: the next start asks for the rest.
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
from pipeline.store.run_directory import RunDirectory, StageWriter
from pipeline.store.tables import LabelCandidate, table_of


class _Unfinished(Exception):  # noqa: N818 - no fault of the stage's
    """Keeps the stage out of the manifest."""


def run(config: RunConfig, directory: RunDirectory, *, progress: Progress) -> str:
    """Label every SAE of the run by every method of the config.

    Empty once that is done; else one line that says why the stage is not done for now.
    """
    # All of them first: a name that is not known must not cost the work of the others.
    methods = in_order(config.labels.methods, config)
    for named in methods.values():
        named.ready(config)
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
    """Label one SAE; the counts of each method."""
    counts: dict[str, Any] = {}
    for method, named in methods.items():
        rows = label_features(context, method, named)
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


def label_features(context: SaeContext, method: str, named: Labeler) -> list[LabelCandidate]:
    """Every candidate of one method for one SAE, features in their order, names distinct."""
    named.prepare(context)
    context.progress.start(f"labels {context.sae} {method}", len(context.features), "feature")
    rows = []
    for candidate in named.label(context, context.features):
        rows.append(candidate)
        context.progress.advance(1 if candidate.rank == 1 else 0)
    context.progress.finish()
    return distinct(rows, names_of(context, rows))


def counted(context: SaeContext, rows: Sequence[LabelCandidate]) -> dict[str, Any]:
    """What the manifest says of one method: features, failures with reasons, candidates."""
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
