"""Stage `activations`: the subject's activations at each hookpoint, for every usable track.

Input: `corpus.parquet`, the corpus's audio, the subject. Parameters: `[subject]`. Output:
`activations/HOOKPOINT/NNNNN.safetensors`; a piece of the stage is one shard. Each track is encoded
once, and all hookpoints are read in one forward pass. A track whose file is missing or unreadable
since the stage `corpus`, or whose activations do not fit into float16, is set aside with its reason
in `activations/set_aside.parquet`, counted and reported; later stages do not use it. If more than a
few tracks can no longer be read, the corpus as a whole has probably moved, and the stage fails.

Under `[machine] online` nothing is computed here: the stage writes `activations/shards.json`, and
whoever needs activations computes them (`pipeline.subjects.online`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from threading import Lock
from typing import Any

from pipeline.config import RunConfig
from pipeline.corpus.reasons import by_kind
from pipeline.corpus.tracks import SET_ASIDE, usable_tracks
from pipeline.errors import PipelineError
from pipeline.parallel import Advance
from pipeline.pieces import key_of
from pipeline.progress import Progress
from pipeline.store.activations import PLAN, ShardFacts, shard_path
from pipeline.store.records import table_of
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import SetAsideRecord, TrackRecord
from pipeline.store.writers import Piece, PieceWriter, StageWriter
from pipeline.subjects import load_subject
from pipeline.subjects.base import ActivationSource, SubjectFacts
from pipeline.subjects.extraction import (
    SINCE,
    extracted,
    is_padded,
    shard_arrays,
    shard_facts,
    shards_of,
)

FEW_GONE = 10
SHARE_GONE = 0.01
"""Share of all tracks that may be missing; in a small corpus, `FEW_GONE` tracks may be."""


class Shards:
    """The work of the stage, see `pipeline.pieces.Pieces`: one piece per shard.

    The subject is loaded when the first shard is made, and to plan the shards.
    """

    stage = "activations"
    made_from: tuple[str, ...] = ("corpus",)
    unit = "track"
    at_once = 1  # Each shard uses all of `machine.workers` for its tracks.

    def __init__(
        self,
        config: RunConfig,
        directory: RunDirectory,
        subject: ActivationSource | None = None,
    ) -> None:
        self._config, self._directory = config, directory
        self._given, self._loading = subject, Lock()
        self._tracks = {track.track: track for track in usable_tracks(directory)}
        self._gone: dict[str, str] = {}
        """Reasons of the tracks that this process could not read."""

    def sizes(self) -> Mapping[str, int]:
        """The number of tracks of each shard; no shard if they are not stored."""
        if self._config.machine.online:
            return {}
        return {name: len(tracks) for name, tracks in self._plan["shards"].items()}

    def needs(self, piece: str) -> Collection[str]:
        """None of the others."""
        return ()

    def do(self, piece: str, writer: PieceWriter, advance: Advance) -> None:
        """Write one file per hookpoint; none if no track of the shard has activations."""
        subject, names = self._subject, self._plan["shards"][piece]
        parts, reasons = [], dict[str, str]()
        for part in extracted(subject, self._config, [self._tracks[name] for name in names]):
            parts.append(part)
            advance(len(part.tracks) + len(part.reasons))
            reasons |= part.reasons
            self._gone |= _gone(part.reasons)
            _require_corpus(len(self._tracks), self._gone)
        writer.facts["reasons"] = reasons
        read = [name for name in names if name not in reasons]
        for hookpoint, array in shard_arrays(parts).items():
            facts = self._facts_of(hookpoint, read, of=names)
            path = shard_path(hookpoint, int(piece))
            writer.write_tensors(path, {"activations": array}, facts.to_metadata())

    def is_whole(self, piece: Piece) -> bool:
        """Whether all files could be read: a disk may be back."""
        return not _gone(piece.facts["reasons"])

    def close(self, pieces: Sequence[Piece], writer: StageWriter, progress: Progress) -> None:
        """The subject's facts and the track count in the summary, and the table of tracks that
        were set aside. Raises `PipelineError` if too many are missing or a split is left without
        tracks."""
        reasons: dict[str, str] = {}
        for piece in pieces:
            reasons |= piece.facts["reasons"]
        tracks = list(self._tracks.values())
        _require_corpus(len(tracks), _gone(reasons))
        used = [track for track in tracks if track.track not in reasons]
        _require_every_split(tracks, used, reasons)
        writer.summary.update({"tracks": len(used), "subject": self._plan["subject"]})
        if self._config.machine.online:
            writer.write_json(PLAN, self._listed())
        if reasons:
            writer.write_table(SET_ASIDE, table_of(SetAsideRecord, _aside(reasons)))
            writer.summary["set_aside"] = by_kind(reasons.values())
            for reason, n in writer.summary["set_aside"].items():
                progress.note(f"excluded: {n} × {reason}")

    def _listed(self) -> dict[str, dict[str, str]]:
        """The metadata of each shard, without a hookpoint."""
        listed = {}
        for name, tracks in self._plan["shards"].items():
            listed[name] = self._facts_of("", tracks, of=tracks).to_metadata()
            del listed[name]["hookpoint"]
        return listed

    def _facts_of(self, hookpoint: str, tracks: Sequence[str], *, of: Sequence[str]) -> ShardFacts:
        """The metadata of the file of a shard that was planned `of` these tracks."""
        facts = SubjectFacts(**self._plan["subject"])
        padded = any(is_padded(self._tracks[name].seconds, facts) for name in of)
        return shard_facts(facts, hookpoint, tracks, padded=padded)

    @cached_property
    def _plan(self) -> dict[str, Any]:
        """The subject's facts, and the tracks of each shard; stored, so that a process that loads
        no subject knows them too."""
        scratch, key = self._directory.scratch(self.stage), key_of(self, self._directory)
        found = scratch.plan(key)
        if found is None:
            facts = self._subject.facts
            shards = shards_of(list(self._tracks.values()), facts)
            named = {
                f"{number:05d}": [track.track for track in shard]
                for number, shard in enumerate(shards)
            }
            found = {"key": key, "subject": asdict(facts), "shards": named}
            scratch.save_plan(found)
        return found

    @property
    def _subject(self) -> ActivationSource:
        with self._loading:
            if self._given is None:
                config = self._config
                self._given = load_subject(config.subject, device=config.machine.device)
            return self._given


def _gone(reasons: Mapping[str, str]) -> dict[str, str]:
    """The reasons of tracks that could still be read in the stage `corpus`."""
    return {track: reason for track, reason in reasons.items() if reason.startswith(SINCE)}


def _aside(reasons: dict[str, str]) -> list[SetAsideRecord]:
    return [SetAsideRecord(track, reason) for track, reason in sorted(reasons.items())]


def _require_corpus(total: int, gone: Mapping[str, str]) -> None:
    """Raise `PipelineError` if more tracks are missing than `SHARE_GONE` and `FEW_GONE` allow."""
    if len(gone) > max(FEW_GONE, SHARE_GONE * total):
        raise PipelineError(
            f"{len(gone)} of {total} tracks, and perhaps more, can no longer be read "
            f"({next(iter(gone.values()))}); is the corpus still where it was?"
        )


def _require_every_split(
    tracks: Sequence[TrackRecord], used: Sequence[TrackRecord], reasons: dict[str, str]
) -> None:
    """Raise `PipelineError` if no tracks of a split are left."""
    before, after = (Counter(track.split for track in some) for some in (tracks, used))
    empty = sorted(split for split in before if not after[split])
    if empty:
        why = "; ".join(f"{n} × {reason}" for reason, n in by_kind(reasons.values()).items())
        raise PipelineError(
            f"no track of the split {', '.join(empty)} could be read: {len(reasons)} of "
            f"{len(tracks)} tracks were excluded ({why}); is the corpus still where it was?"
        )
