"""Stage `scores`: scores every label on held-out tracks (the column `held_out` marks exceptions).

Input: `labels/`, `features/`, `corpus.parquet`. Parameters: `[scores]`. Output per SAE and scorer:
`scores/NAME/SCORER.parquet`, one method after another; also CLAP's embeddings, if a scorer uses
them. A label that cannot be scored has a row of status `failed` and is counted.

A piece of the stage is what scorers compute once per run, or the scores of one method's labels of
one SAE by one scorer, which wait in the scratch space until the stage is closed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from pipeline import pieces
from pipeline.cache import SharedTables
from pipeline.config import RunConfig
from pipeline.context import SaeContext
from pipeline.errors import PipelineError
from pipeline.parallel import Advance
from pipeline.progress import PieceSteps, Progress
from pipeline.scorers import scorer
from pipeline.scorers.base import Scorer
from pipeline.stages.per_feature import SHARED, PerFeature
from pipeline.store.records import records_from, table_of
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import ScoreRecord
from pipeline.store.writers import Piece, PieceWriter, StageWriter

TEXTS = "texts"
"""The piece of texts' embeddings, computed once per run."""
MODEL = ("clap", "clap stamp")
"""The loaded CLAP, and its fingerprint, among the values that are kept."""


def run(config: RunConfig, directory: RunDirectory, *, progress: Progress) -> None:
    """Score the labels of every SAE and method with every scorer of the config."""
    pieces.make(OfScorers(config, directory), directory, progress=progress)


class Graded(NamedTuple):
    """Whose labels a piece scores, and how."""

    sae: str
    scorer: str
    method: str


class OfScorers(PerFeature):
    """The work of the stage, see `pipeline.pieces.Pieces`."""

    stage = "scores"
    made_from: tuple[str, ...] = ("corpus", "activations", "sae", "features", "exemplars", "labels")

    def __init__(self, config: RunConfig, directory: RunDirectory) -> None:
        self._scorers = {name: scorer(name) for name in config.scores.scorers}
        super().__init__(config, directory, self._scorers.values())
        self._graded = {
            ".".join(graded): graded
            for sae in self._saes
            for name in self._scorers
            for method in config.labels.methods
            for graded in [Graded(sae, name, method)]
        }

    def sizes(self) -> Mapping[str, int]:
        """The number of tracks of what is computed once, of features of the others."""
        shared = {f"{SHARED}{name}": self._tracks for name in self._shared}
        if any(one.uses_texts for one in self._scorers.values()):
            shared[f"{SHARED}{TEXTS}"] = 1
        return shared | {piece: self._kept[of.sae] for piece, of in self._graded.items()}

    def needs(self, piece: str) -> Collection[str]:
        """What the piece's scorer computes once per run."""
        if piece not in self._graded:
            return ()
        grading = self._scorers[self._graded[piece].scorer]
        names = [*grading.shared(), *([TEXTS] if grading.uses_texts else [])]
        return {f"{SHARED}{name}" for name in names}

    def do(self, piece: str, writer: PieceWriter, advance: Advance) -> None:
        """Compute what is shared, or the scores of one method's labels."""
        steps = PieceSteps(advance, self.sizes()[piece])
        if piece in self._graded:
            self._score(piece, writer, steps)
        else:
            self._compute(piece.removeprefix(SHARED), writer, steps)
        steps.complete()

    def is_whole(self, piece: Piece) -> bool:
        """Always: scores lack nothing."""
        return True

    def close(self, pieces: Sequence[Piece], writer: StageWriter, progress: Progress) -> None:
        """Write the tables, one method after another, and their counts."""
        scratch = self._directory.scratch(self.stage)
        for sae in self._saes:
            writer.summary[sae] = {}
            for name in self._scorers:
                graded = {
                    method: records_from(
                        ScoreRecord, scratch.table(".".join(Graded(sae, name, method)))
                    )
                    for method in self._config.labels.methods
                }
                rows = [row for records in graded.values() for row in records]
                writer.write_table(f"scores/{sae}/{name}.parquet", table_of(ScoreRecord, rows))
                writer.summary[sae][name] = {
                    method: counted(records) for method, records in graded.items()
                }

    def _compute(self, name: str, writer: PieceWriter, steps: PieceSteps) -> None:
        """Compute what is shared, from nothing that was kept but the loaded model."""
        model = {key: self._memo[key] for key in MODEL if key in self._memo}
        tables = SharedTables(self._directory, writer, memo=model)
        make = self._embed_texts if name == TEXTS else self._shared[name]
        make(self._context(self._saes[0], tables, steps))
        self._memo |= {key: tables.memo[key] for key in MODEL if key in tables.memo}

    def _score(self, piece: str, writer: PieceWriter, steps: PieceSteps) -> None:
        of = self._graded[piece]
        grading = self._scorers[of.scorer]
        if grading.uses_texts and "clap texts" not in self._memo:
            self._memo["clap texts"] = self._embedded()
        tables = SharedTables(self._directory, writer, self._made_for(piece), self._memo)
        context = self._context(of.sae, tables, steps)
        rows = score_labels(context, of.method, of.scorer, grading)
        scratch = self._directory.scratch(self.stage)
        scratch.save_table(piece, table_of(ScoreRecord, rows))

    def _made_for(self, piece: str) -> frozenset[str]:
        """The files that are computed once, which this piece reads."""
        key, files = pieces.key_of(self, self._directory), set[str]()
        for name in self.needs(piece):
            found = self._directory.finished_piece(self.stage, name, key=key)
            files |= set(found.files) if found is not None else set()
        return frozenset(files)

    def _embed_texts(self, context: SaeContext) -> None:
        """Embed the distinct texts of all labels of the run, sorted."""
        from pipeline.clap.store import text_embeddings

        texts: set[str] = set()
        for sae in self._saes:
            here = self._context(sae, context.tables, context.progress)
            for method in self._config.labels.methods:
                texts |= {label.text for label in here.labels(method) if label.status == "ok"}
        names = sorted(texts)
        rows = text_embeddings(context, names) if names else np.zeros((0, 0), dtype=np.float32)
        listed = np.frombuffer(json.dumps(names).encode(), dtype=np.uint8)
        scratch = self._directory.scratch(self.stage)
        scratch.save(TEXTS, {"embeddings": rows, "names": listed}, {})

    def _embedded(self) -> dict[str, Any]:
        """The embedding of each text of the run."""
        found = self._directory.scratch(self.stage).load(TEXTS)
        if found is None:
            raise PipelineError("stage scores: the embeddings of texts that were made are gone")
        names = json.loads(found[0]["names"].tobytes())
        return dict(zip(names, found[0]["embeddings"], strict=True))


def score_labels(context: SaeContext, method: str, name: str, grading: Scorer) -> list[ScoreRecord]:
    """The scores of all labels of one method for one SAE, by the scorer `name`."""
    context.progress.start(f"scores {context.sae} {name} {method}", 0, "label")
    rows, heard_by = [], grading.heard_by(context)
    for record in grading.score(context, method):
        rows.append(replace(record, heard_by=heard_by))
        context.progress.advance()
    context.progress.finish()
    return rows


def counted(records: Sequence[ScoreRecord]) -> dict[str, Any]:
    """Counts for the manifest: labels, labels without a score, median score of rank-1 labels."""
    best = [row.score for row in records if row.rank == 1 and row.score is not None]
    return {
        "labels": len(records),
        "failed": sum(row.status == "failed" for row in records),
        "median_score_of_rank_1": round(median(best), 4) if best else None,
    }
