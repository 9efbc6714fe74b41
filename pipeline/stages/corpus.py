"""Stage `corpus`: lists the recordings, checks each file and splits the usable ones.

Input: the corpus folder. Parameters: `[corpus]`. Output: `corpus.parquet`, one row per track, and
`concepts.json`. An unusable file is set aside with its reason and counted; it never stops the run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from pipeline.config import RunConfig
from pipeline.corpus.adapters import ADAPTERS
from pipeline.corpus.adapters.base import Corpus, CorpusEntry
from pipeline.corpus.checks import check, check_confined, set_duplicates_aside
from pipeline.corpus.reasons import by_kind
from pipeline.corpus.splits import SPLITS, joined
from pipeline.errors import PipelineError
from pipeline.parallel import map_in_threads
from pipeline.progress import Progress
from pipeline.registry import resolve
from pipeline.store.records import table_of
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import TrackRecord


def run(config: RunConfig, directory: RunDirectory, *, progress: Progress) -> None:
    """Check every file, split the usable ones, write the table.

    Raises `PipelineError` if nothing is listed or a split has no usable track.
    """
    folder = config.corpus.folder()
    corpus: Corpus = resolve(ADAPTERS, config.corpus.adapter, "corpus adapter")
    with directory.writer("corpus") as writer:
        entries = joined(corpus.entries(folder))
        checked = list(_check_all(entries, folder, config, progress))
        records = set_duplicates_aside(checked)
        counts = _count(records)
        _require_every_split(counts, records)
        writer.write_table("corpus.parquet", table_of(TrackRecord, records))
        concepts = corpus.concepts(folder)
        if concepts is not None:
            writer.write_json("concepts.json", concepts)
        writer.summary.update(counts)
    for reason, n in counts["set_aside"].items():
        progress.note(f"excluded: {n} × {reason}")


def _check_all(
    entries: list[CorpusEntry], folder: Path, config: RunConfig, progress: Progress
) -> Iterator[TrackRecord]:
    """The records of all entries, in order."""
    progress.start("corpus", len(entries), "track")
    look = partial(check_confined if config.machine.confined else check, folder=folder,
                   config=config.corpus)  # fmt: skip
    for records in map_in_threads(look, entries, config.machine.workers):
        progress.advance()
        yield from records
    progress.finish()


def _count(records: list[TrackRecord]) -> dict[str, dict[str, Any]]:
    """Counts for the manifest: usable tracks per split, excluded ones by reason, levels."""
    usable = Counter(record.split for record in records if record.status == "ok")
    aside = [record.reason for record in records if record.status != "ok"]
    return {
        "usable": {split: usable[split] for split in SPLITS},
        "set_aside": by_kind(aside),
        "levels": _levels(records),
    }


def _levels(records: list[TrackRecord]) -> dict[str, int | float]:
    """Median loudness of the usable tracks in LUFS, and how many of them reach full scale."""
    usable = [record for record in records if record.status == "ok"]
    loudness = [record.loudness_lufs for record in usable if record.loudness_lufs is not None]
    found: dict[str, int | float] = {"clipped": sum(bool(r.clipped_share) for r in usable)}
    return found | ({"median_lufs": round(median(loudness), 2)} if loudness else {})


def _require_every_split(counts: dict[str, dict[str, Any]], records: list[TrackRecord]) -> None:
    empty = [split for split, n in counts["usable"].items() if n == 0]
    if empty:
        aside = sum(counts["set_aside"].values())
        why = "; ".join(f"{n} × {reason}" for reason, n in counts["set_aside"].items())
        raise PipelineError(
            f"no usable track in the split {', '.join(empty)}: {len(records)} tracks listed, "
            f"{aside} excluded{f' ({why})' if why else ''}; each split needs at least one"
        )
