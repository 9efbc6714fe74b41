"""Checks one file of a corpus: it gives usable excerpts, or is set aside with the reason."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from math import log10
from pathlib import Path

from pipeline.config import CorpusConfig
from pipeline.corpus.adapters.base import NOTHING, CorpusEntry
from pipeline.corpus.audio import AudioError, Levels, levels_of, probe, read_clip
from pipeline.corpus.audio_source import sha256_of_sound
from pipeline.corpus.splits import group_of, split_of
from pipeline.files.places import lies_in
from pipeline.store.tables import TrackRecord


def set_duplicates_aside(records: list[TrackRecord]) -> list[TrackRecord]:
    """The records with duplicates (same file contents, same start) set aside, except the first."""
    first: dict[tuple[str, float], str] = {}
    kept = []
    for record in records:
        excerpt = (record.sha256, record.start_seconds)
        original = first.get(excerpt) if record.status == "ok" else None
        if original is not None:
            record = _set_aside(record, f"duplicate of {original}")
        elif record.status == "ok":
            first[excerpt] = record.track
        kept.append(record)
    return kept


def check(entry: CorpusEntry, folder: Path, config: CorpusConfig) -> list[TrackRecord]:
    """One record per excerpt of a file, with its split, or one record set aside with the reason."""
    blank = _blank(entry)
    path = folder / entry.path
    stated, fault = stated_hash(entry.sha256)
    if entry.reason or fault:
        return [_set_aside(blank, entry.reason or fault)]
    try:
        facts = probe(path)
        digest = sha256_of_sound(path)
        whole = replace(
            blank, sha256=digest, seconds=facts.seconds, sample_rate=facts.sample_rate,
            split=split_of(group_of(entry), config),
        )  # fmt: skip
        if stated and stated != digest:
            return [_set_aside(whole, "differs from the SHA-256 that the corpus lists")]
        if facts.seconds < config.min_seconds:
            return [_set_aside(whole, f"is shorter than {config.min_seconds:g} s")]
        return [_excerpt(whole, window, path, config) for window in windows(facts.seconds, config)]
    except AudioError as error:
        return [_set_aside(blank, error.reason)]
    except OSError as error:
        return [_set_aside(blank, f"cannot be read: {error.strerror or error}")]
    except Exception as error:  # Decoders may raise anything on a file from elsewhere.
        reason = " ".join(str(error).split())[:200]
        return [_set_aside(blank, f"cannot be read: {type(error).__name__}: {reason}")]


def stated_hash(text: str) -> tuple[str, str]:
    """A listed SHA-256 in lower-case hexadecimal, and the reason if it is not one ("" if it is).

    Tools write it in capitals, in pairs, after `sha256:` or `0x`, before or after the file's name,
    in quotes, or in base64; spreadsheets write their own word for a missing value.
    """
    plain = re.sub(r"[\s:\"'\ufeff\u200b-]", "", text.lower())
    plain = re.sub(r"^(sha-?256)?=?(0x|\\x)?", "", plain)
    if plain in ("", *NOTHING) or re.fullmatch("[0-9a-f]{64}", plain):
        return ("" if plain in NOTHING else plain), ""
    named = re.search(r"(?:^|= ?)([0-9a-f]{64})(?: |$)", text.strip().lower())
    if named:
        return named[1], ""
    coded = re.search(r"^\s*(?:sha256[-:=])?([A-Za-z0-9+/]{43}=)\s*$", text, re.IGNORECASE)
    if coded:
        return base64.b64decode(coded[1]).hex(), ""
    likely = {32: ", as of an MD5", 40: ", as of a SHA-1"}.get(len(plain), "")
    return "", (
        f"its listed SHA-256 {text[:80]!r} has {len(plain)} characters{likely}, not 64 "
        "hexadecimal digits"
    )


def windows(seconds: float, config: CorpusConfig) -> list[tuple[float, float]]:
    """Start and length in seconds of the excerpts of a track, according to `[corpus] windows`.

    The track is divided into equal parts, and each excerpt is the middle of its part. A track
    shorter than one excerpt is used whole.
    """
    fitting = int(seconds / config.clip_seconds)
    if fitting < 1:
        return [(0.0, seconds)]
    count = min(config.windows, fitting) or fitting
    share = seconds / count
    return [
        ((number + 0.5) * share - config.clip_seconds / 2, config.clip_seconds)
        for number in range(count)
    ]


def _excerpt(
    whole: TrackRecord, window: tuple[float, float], path: Path, config: CorpusConfig
) -> TrackRecord:
    """One excerpt of a track, measured; set aside if it is silent."""
    start, seconds = window
    levels = levels_of(*read_clip(path, start_seconds=start, seconds=seconds))
    record = replace(
        whole,
        track=whole.track if config.windows == 1 else f"{whole.track}@{start:.2f}",
        start_seconds=start,
        seconds=seconds,
        peak=levels.peak,
        loudness_lufs=levels.loudness_lufs,
        clipped_share=levels.clipped_share,
    )
    if _is_silent(levels, config):
        return _set_aside(record, f"is silent: never over {config.silence_db:g} dB")
    return record


def _is_silent(levels: Levels, config: CorpusConfig) -> bool:
    return levels.peak == 0 or 20 * log10(levels.peak) < config.silence_db


def check_confined(entry: CorpusEntry, folder: Path, config: CorpusConfig) -> list[TrackRecord]:
    """`check` for a file inside the corpus folder; a file outside it is not opened."""
    if lies_in(folder / entry.path, folder):
        return check(entry, folder, config)
    return [_set_aside(_blank(entry), "lies outside the corpus folder")]


def _blank(entry: CorpusEntry) -> TrackRecord:
    """The record of a file that has not been opened."""
    return TrackRecord(
        track=entry.track, path=entry.path, sha256="", seconds=0.0, start_seconds=0.0,
        sample_rate=0, artist=entry.artist, split="", tags=entry.tags, caption=entry.caption,
        license=entry.license, status="ok", reason="", group=entry.group,
    )  # fmt: skip


def _set_aside(record: TrackRecord, reason: str) -> TrackRecord:
    return replace(record, split="", status="set_aside", reason=reason)
