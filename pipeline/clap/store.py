"""Embeddings of a run's tracks, of pieces of them, and of its labels: computed once and stored.

All rows have norm 1, so an inner product is a cosine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from pipeline.clap import backends
from pipeline.clap.base import Clap, Floats32, embed_whole
from pipeline.context import SaeContext
from pipeline.corpus import audio
from pipeline.parallel import map_in_threads, torch_threads
from pipeline.store.tables import TrackRecord

TRACKS_FILE = "scores/clap-tracks.safetensors"
PIECES_FILE = "scores/clap-pieces.safetensors"


def loaded(context: SaeContext) -> Clap:
    """The run's CLAP, loaded once per stage."""
    memo = context.tables.memo
    if "clap" not in memo:
        memo["clap"] = backends.load(context.config.clap)
    found: Clap = memo["clap"]
    return found


def track_embeddings(context: SaeContext) -> Floats32:
    """[track, width] of every usable track's excerpt, in the context's order."""
    made = context.tables.tensors(TRACKS_FILE, stamp(context), partial(_embed_tracks, context))
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
    model = loaded(context)
    return {"tracks": np.stack(_of_each(context, "tracks", context.tracks, partial(_whole, model)))}


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
    embed: Callable[[SaeContext, TrackRecord], Floats32],
) -> list[Floats32]:
    """Embeddings of each track, several tracks at a time."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

    machine, rows = context.config.machine, []
    context.progress.start(f"scores clap {what}", len(tracks), "track")
    # One BLAS thread per worker: the extractor's spectrograms otherwise wait for one another.
    with torch_threads(machine), threadpool_limits(1):
        for row in map_in_threads(partial(embed, context), tracks, machine.workers):
            rows.append(row)
            context.progress.advance()
    context.progress.finish()
    return rows


def _whole(model: Clap, context: SaeContext, record: TrackRecord) -> Floats32:
    """[width]: one track's embedding."""
    return embed_whole(_sound(context, record, model), model)


def _pieces(model: Clap, seconds: float, context: SaeContext, record: TrackRecord) -> Floats32:
    """[piece, width]: whole pieces only, but the first in any case."""
    length = round(seconds * model.sample_rate)
    sound = _sound(context, record, model)
    starts = range(0, max(len(sound) - length, 0) + 1, length)
    return model.embed_sounds([sound[start : start + length] for start in starts])


def _sound(context: SaeContext, record: TrackRecord, model: Clap) -> Floats32:
    sound: Floats32 = audio.read_mono(
        context.audio_path(record), sample_rate=model.sample_rate,
        start_seconds=record.start_seconds, seconds=record.seconds,
    )  # fmt: skip
    return sound


def stamp(context: SaeContext) -> dict[str, str]:
    """Fingerprints of all that the embeddings depend on; hashed once per stage, since a model may
    be large."""
    memo = context.tables.memo
    if "clap stamp" in memo:
        found: dict[str, str] = memo["clap stamp"]
        return found
    rows = [[r.track, r.sha256, r.start_seconds, r.seconds] for r in context.tracks]
    digest = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    memo["clap stamp"] = {"clap": backends.fingerprint(context.config.clap), "tracks": digest}
    return stamp(context)
