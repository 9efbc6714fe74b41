"""Stage `labels`: every method labels every kept feature.

Input: `corpus.parquet`, `features/`, `exemplars/`, and for some methods the corpus's audio.
Parameters: `[labels]` and the methods' own sections. Output per SAE and method:
`labels/NAME/METHOD.parquet`; also what a method computes once per run (such as
`labels/descriptors.parquet`) and its raw replies. A feature that a method cannot label has a row of
status `failed` and is counted with its reason. Synonymous candidates are merged.

A piece of the stage is what a method computes once per run, or the labels of one method for one
SAE; a paid service's labels of all SAEs are one piece (`Labeler.one_piece`). Names for synonyms
depend on the order in which texts come, so they are given when the stage is closed, in the order of
SAEs and methods; methods that are made of other methods' labels follow there too.

If a remote service gave no answers (because of the key, a quota, an outage), its piece is not
finished; the next start asks the other questions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pipeline import pieces
from pipeline.cache import SharedTables
from pipeline.config import RunConfig
from pipeline.context import SaeContext
from pipeline.errors import PipelineError
from pipeline.labelers import in_order
from pipeline.labelers.base import Labeler
from pipeline.labelers.distinct import distinct, names_of
from pipeline.parallel import Advance
from pipeline.progress import PieceSteps, Progress
from pipeline.stages.per_feature import SHARED, PerFeature
from pipeline.store.records import records_from, table_of
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import LabelCandidate
from pipeline.store.writers import Piece, PieceWriter, StageWriter, Writer


class UnansweredLabelsError(PipelineError):
    """A service has not answered yet."""


def run(config: RunConfig, directory: RunDirectory, *, progress: Progress) -> str:
    """Label the features of every SAE with every method of the config.

    Returns "" when that is done, else one line that says why it is not done yet.
    """
    try:
        pieces.make(OfMethods(config, directory), directory, progress=progress)
    except UnansweredLabelsError as why:
        return str(why)
    return ""


class OfMethods(PerFeature):
    """The work of the stage, see `pipeline.pieces.Pieces`."""

    stage = "labels"
    made_from: tuple[str, ...] = ("corpus", "activations", "features", "exemplars")

    def __init__(self, config: RunConfig, directory: RunDirectory) -> None:
        # Check all methods first: an unknown one must not be noticed after the work of the others.
        self._methods = in_order(config.labels.methods, config)
        for labeler in self._methods.values():
            labeler.ready(config)
        self._own = {m: one for m, one in self._methods.items() if not one.sources(config)}
        super().__init__(config, directory, self._own.values())
        self._groups = _groups(self._saes, self._own)

    def sizes(self) -> Mapping[str, int]:
        """The number of tracks of what is computed once, of features of the others."""
        shared = {f"{SHARED}{name}": self._tracks for name in self._shared}
        features = {
            piece: sum(self._kept[sae] for sae, _ in group) for piece, group in self._groups.items()
        }
        return shared | features

    def needs(self, piece: str) -> Collection[str]:
        """What the piece's methods compute once per run."""
        group = self._groups.get(piece, ())
        return {f"{SHARED}{name}" for _, method in group for name in self._own[method].shared()}

    def do(self, piece: str, writer: PieceWriter, advance: Advance) -> None:
        """Compute what is shared, or the candidates of one method; these wait in the scratch space
        for their names."""
        steps = PieceSteps(advance, self.sizes()[piece])
        group = self._groups.get(piece)
        if group is None:
            tables = SharedTables(self._directory, writer)
            self._shared[piece.removeprefix(SHARED)](self._context(self._saes[0], tables, steps))
        else:
            self._label(group, writer, steps)
        writer.facts["notes"] = steps.notes
        steps.complete()

    def is_whole(self, piece: Piece) -> bool:
        """Always: what was not answered is no piece."""
        return True

    def close(self, pieces: Sequence[Piece], writer: StageWriter, progress: Progress) -> None:
        """Name the candidates, and write all tables and counts."""
        for note in (note for piece in pieces for note in piece.facts["notes"]):
            progress.note(note)
        tables = SharedTables(self._directory, writer, _files(pieces))
        for sae in self._saes:
            context = self._context(sae, tables, progress)
            counts = {m: self._write(context, m, writer) for m in self._methods}
            writer.summary[sae] = {m: counts[m] for m in self._config.labels.methods}

    def _label(
        self, group: Sequence[tuple[str, str]], writer: PieceWriter, steps: PieceSteps
    ) -> None:
        one_process = any(self._own[method].one_piece for _, method in group)
        # Each start asks a service again: nothing may be remembered from an earlier one.
        memo = {} if one_process else self._memo
        tables = SharedTables(self._directory, writer, self._made_for(group), memo)
        for sae, method in group:
            rows = candidates(self._context(sae, tables, steps), method, self._own[method])
            if tables.unfinished:
                raise UnansweredLabelsError(f"stage labels is not done: {tables.unfinished}")
            scratch = self._directory.scratch(self.stage)
            scratch.save_table(f"{sae}.{method}", table_of(LabelCandidate, rows))

    def _write(self, context: SaeContext, method: str, writer: Writer) -> dict[str, Any]:
        """Write the table of one SAE and method, and return its counts."""
        if method in self._own:
            name = f"{context.sae}.{method}"
            table = self._directory.scratch(self.stage).table(name)
            rows = records_from(LabelCandidate, table)
        else:
            rows = candidates(context, method, self._methods[method])
        rows = distinct(rows, names_of(context, rows))
        writer.write_table(f"labels/{context.sae}/{method}.parquet", table_of(LabelCandidate, rows))
        counts = counted(context, rows)
        context.progress.note(
            f"{context.sae}: {method} gave {counts['candidates']} candidates for "
            f"{counts['features']} features, {counts['failed']} failed"
        )
        return counts

    def _made_for(self, group: Sequence[tuple[str, str]]) -> frozenset[str]:
        """The files that are computed once, which this group's methods read."""
        key, found = pieces.key_of(self, self._directory), []
        for name in {name for _, method in group for name in self._own[method].shared()}:
            piece = self._directory.finished_piece(self.stage, f"{SHARED}{name}", key=key)
            found += [piece] if piece is not None else []
        return _files(found)


def _groups(
    saes: Sequence[str], methods: Mapping[str, Labeler]
) -> dict[str, list[tuple[str, str]]]:
    """SAE and method of the labels in each piece: what is paid comes last."""
    found: dict[str, list[tuple[str, str]]] = {}
    paid: dict[str, list[tuple[str, str]]] = {}
    for sae in saes:
        for method, labeler in methods.items():
            if labeler.one_piece:
                paid.setdefault(method.partition("@")[0], []).append((sae, method))
            else:
                found[f"{sae}.{method}"] = [(sae, method)]
    return found | paid


def _files(pieces: Sequence[Piece]) -> frozenset[str]:
    return frozenset(name for piece in pieces for name in piece.files)


def candidates(context: SaeContext, method: str, labeler: Labeler) -> list[LabelCandidate]:
    """The candidates of one method for one SAE, features in order, before synonyms are merged."""
    labeler.prepare(context)
    context.progress.start(f"labels {context.sae} {method}", len(context.features), "feature")
    rows = []
    for candidate in labeler.label(context, context.features):
        rows.append(candidate)
        context.progress.advance(1 if candidate.rank == 1 else 0)
    context.progress.finish()
    return rows


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
