"""Embeddings of a run's tracks, of pieces of them, and of its labels: computed once and stored.

All rows have norm 1, so an inner product is a cosine. They are computed on `[machine] device`: on a
CPU one track after another, so that a track's embedding is the same to the bit whatever tracks
there are beside it; on a GPU `[clap] batch` tracks at a time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from pipeline.clap import backends
from pipeline.clap.base import Clap, Floats32, batches, crops, whole
from pipeline.context import SaeContext
from pipeline.corpus import audio
from pipeline.parallel import map_in_threads, torch_threads
from pipeline.store.tables import TrackRecord

TRACKS_FILE = "scores/clap-tracks.safetensors"
USED_SPLITS = ("validation", "test")
"""Of exemplars, and of the tracks that labels are graded on."""
PIECES_FILE = "scores/clap-pieces.safetensors"


def loaded(context: SaeContext) -> Clap:
    """The run's CLAP, loaded once per stage."""
    memo = context.tables.memo
    if "clap" not in memo:
        config = context.config
        memo["clap"] = backends.load(config.clap, device=config.machine.device)
    found: Clap = memo["clap"]
    return found


def track_embeddings(context: SaeContext) -> Floats32:
    """[track, width] of the tracks' excerpts in the context's order; NaN for train tracks, which no
    label is made from or graded on."""
    made = context.tables.tensors(
        TRACKS_FILE, track_stamp(context), partial(_embed_tracks, context)
    )
    return np.asarray(made["tracks"], dtype=np.float32)


def piece_embeddings(context: SaeContext, seconds: float) -> Floats32:
    """[test track, piece, width]: consecutive pieces of `seconds`; a shorter rest is not used.
    Tracks in the context's order; a track with fewer pieces than the longest is padded with
    zeros."""
    stamped = {**stamp(context), "seconds": repr(seconds)}
    made = context.tables.tensors(PIECES_FILE, stamped, partial(_embed_pieces, context, seconds))
    return np.asarray(made["pieces"], dtype=np.float32)


def text_embeddings(context: SaeContext, texts: Sequence[str]) -> Floats32:
    """[text, width], each text embedded once per stage."""
    known: dict[str, Floats32] = context.tables.memo.setdefault("clap texts", {})
    new = sorted(set(texts) - set(known))
    if new:
        with torch_threads(context.config.machine):
            known.update(zip(new, loaded(context).embed_texts(new), strict=True))
    return np.stack([known[text] for text in texts])


def _embed_tracks(context: SaeContext) -> dict[str, Floats32]:
    """Embeddings [track, width], each the mean over a track's crops."""
    used = context.in_split(*USED_SPLITS)
    tracks = [record for record, is_used in zip(context.tracks, used, strict=True) if is_used]
    made = np.stack(_of_each(context, "tracks", tracks, partial(_wholes, loaded(context))))
    rows = np.full((len(used), made.shape[1]), np.nan, dtype=np.float32)
    rows[used] = made
    return {"tracks": rows}


def _embed_pieces(context: SaeContext, seconds: float) -> dict[str, Floats32]:
    """Embeddings [test track, piece, width] of consecutive pieces, padded with zeros."""
    model = loaded(context)
    tracks = [record for record in context.tracks if record.split == "test"]
    rows = _of_each(context, "pieces", tracks, partial(_pieces, model, seconds))
    pieces = max(len(row) for row in rows)
    padded = [np.pad(row, ((0, pieces - len(row)), (0, 0))) for row in rows]
    return {"pieces": np.stack(padded)}


def _of_each(
    context: SaeContext,
    what: str,
    tracks: Sequence[TrackRecord],
    embed: Callable[[SaeContext, Sequence[TrackRecord]], list[Floats32]],
) -> list[Floats32]:
    """What `embed` makes of each track; on a GPU it is given several at a time."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

    machine, rows = context.config.machine, []
    groups = batches(tracks, 1 if machine.device == "cpu" else context.config.clap.batch)
    context.progress.start(f"scores clap {what}", len(tracks), "track")
    # One BLAS thread per worker: the extractor's spectrograms otherwise wait for one another.
    with torch_threads(machine), threadpool_limits(1):
        for found in map_in_threads(partial(embed, context), groups, machine.workers):
            rows += found
            context.progress.advance(len(found))
    context.progress.finish()
    return rows


def _wholes(model: Clap, context: SaeContext, records: Sequence[TrackRecord]) -> list[Floats32]:
    """[width] of each track."""
    parts = [crops(_sound(context, record, model), model) for record in records]
    return [whole(embedded) for embedded in _embedded(model, parts)]


def _pieces(
    model: Clap, seconds: float, context: SaeContext, records: Sequence[TrackRecord]
) -> list[Floats32]:
    """[piece, width] of each track: whole pieces only, but the first in any case."""
    length = round(seconds * model.sample_rate)
    parts = []
    for record in records:
        sound = _sound(context, record, model)
        starts = range(0, max(len(sound) - length, 0) + 1, length)
        parts.append([sound[start : start + length] for start in starts])
    return _embedded(model, parts)


def _embedded(model: Clap, parts: Sequence[Sequence[Floats32]]) -> list[Floats32]:
    """[part, width] of each track, all parts of all tracks embedded together."""
    made = model.embed_sounds([sound for own in parts for sound in own])
    return np.split(made, np.cumsum([len(own) for own in parts])[:-1])


def _sound(context: SaeContext, record: TrackRecord, model: Clap) -> Floats32:
    sound: Floats32 = audio.read_mono(
        context.audio_path(record), sample_rate=model.sample_rate,
        start_seconds=record.start_seconds, seconds=record.seconds,
    )  # fmt: skip
    return sound


def stored_tracks(context: SaeContext) -> Floats32 | None:
    """`track_embeddings` if the run has them, from an earlier version of train tracks too; None if
    it has none."""
    for stamped in (track_stamp(context), stamp(context)):
        found = context.tables.stored(TRACKS_FILE, stamped)
        if found is not None:
            return np.asarray(found["tracks"], dtype=np.float32)
    return None


def track_stamp(context: SaeContext) -> dict[str, str]:
    """`stamp`, and which tracks have an embedding."""
    return {**stamp(context), "splits": ", ".join(USED_SPLITS)}


def stamp(context: SaeContext) -> dict[str, str]:
    """Fingerprints of all that the embeddings depend on; hashed once per stage, since a model may
    be large."""
    memo = context.tables.memo
    if "clap stamp" in memo:
        found: dict[str, str] = memo["clap stamp"]
        return found
    memo["clap stamp"] = {
        "clap": backends.fingerprint(context.config.clap),
        "tracks": digest_of(context.tracks),
    }
    return stamp(context)


def digest_of(tracks: Sequence[TrackRecord]) -> str:
    """A hash of what was embedded, in the order of the rows."""
    rows = [[r.track, r.sha256, r.start_seconds, r.seconds] for r in tracks]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()
