"""Stage `corpus`: what the folder lists, checked file by file and split.

Input: the corpus folder. Parameters: `[corpus]`. Output: `corpus.parquet`, a row a track, and
`concepts.json`. A file that cannot be used is set aside with its reason and counted; it never
stops the run.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from math import log10
from pathlib import Path
from statistics import median
from typing import Any

from pipeline.config import CorpusConfig, RunConfig
from pipeline.corpus.adapters import ADAPTERS
from pipeline.corpus.adapters.base import NOTHING, Corpus, CorpusEntry
from pipeline.corpus.audio import AudioError, Levels, levels_of, probe, read_clip
from pipeline.corpus.audio_source import sha256_of
from pipeline.corpus.reasons import by_kind
from pipeline.errors import PipelineError
from pipeline.parallel import map_in_threads
from pipeline.progress import Progress
from pipeline.registry import resolve
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import TrackRecord, table_of

SPLITS = ("train", "validation", "test")


def run(config: RunConfig, directory: RunDirectory, *, progress: Progress) -> None:
    """Check every file, split what is usable, write the table.

    Raises `PipelineError` if nothing is listed or a split is left without a usable track.
    """
    folder = _folder(config)
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


def split_of(group: str, config: CorpusConfig) -> str:
    """The split of an artist or track: train, validation or test.

    A salted hash of the name alone, so no other track of the corpus can change it.
    """
    digest = hashlib.sha256(f"{config.split_salt}\0{group}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < config.train_share:
        return "train"
    return "validation" if place < config.train_share + config.validation_share else "test"


def set_duplicates_aside(records: list[TrackRecord]) -> list[TrackRecord]:
    """The records with all but the first usable one of equal excerpts of equal files set aside."""
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
    """What one file turned out to be: its excerpts, usable and split, or set aside with the
    reason."""
    blank = _blank(entry)
    path = folder / entry.path
    stated, fault = stated_hash(entry.sha256)
    if entry.reason or fault:
        return [_set_aside(blank, entry.reason or fault)]
    try:
        facts = probe(path)
        digest = sha256_of(path)
        whole = replace(
            blank, sha256=digest, seconds=facts.seconds, sample_rate=facts.sample_rate,
            split=split_of(_group(entry), config),
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
    except Exception as error:  # Whatever a file from elsewhere makes a decoder raise.
        reason = " ".join(str(error).split())[:200]
        return [_set_aside(blank, f"cannot be read: {type(error).__name__}: {reason}")]


def stated_hash(text: str) -> tuple[str, str]:
    """A listed SHA-256 as this program writes it, and why it is none.

    Tools write it in capitals, in pairs, after `sha256:` or `0x`, before or after the file's name,
    in quotes, or in base64; a table program writes its own word for no value.
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


def joined(entries: list[CorpusEntry]) -> list[CorpusEntry]:
    """The entries with what their split is drawn by, where rows link artists and groups.

    A recording listed under two artists, or with its artist in one row only, would be in two
    splits. Of names that are linked the first counts, artists before groups; what is linked to
    nothing is drawn by its own name, as ever.
    """
    leads: dict[str, str] = {}

    def first(name: str) -> str:
        while leads.get(name, name) != name:
            name = leads[name]
        return name

    for entry in entries:
        if entry.artist and entry.group:
            found = (first(f"artist {entry.artist}"), first(entry.group))
            one, other = sorted(found, key=lambda name: (not name.startswith("artist "), name))
            leads[other] = one
    return [replace(entry, split_by=first(_group(entry))) for entry in entries]


def windows(seconds: float, config: CorpusConfig) -> list[tuple[float, float]]:
    """Start and length in seconds of the excerpts of a track, as `[corpus] windows` says.

    Each lies in the middle of its equal share of the track; a track that is no longer than one
    excerpt is one.
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


def _folder(config: RunConfig) -> Path:
    if config.corpus.path is None:
        raise PipelineError("no corpus is given: set [corpus] path, or use --corpus DIR")
    return config.corpus.path


def _check_all(
    entries: list[CorpusEntry], folder: Path, config: RunConfig, progress: Progress
) -> Iterator[TrackRecord]:
    """`check` over all entries, in their order."""
    progress.start("corpus", len(entries), "track")
    look = partial(_confined if config.machine.confined else check, folder=folder,
                   config=config.corpus)  # fmt: skip
    for records in map_in_threads(look, entries, config.machine.workers):
        progress.advance()
        yield from records
    progress.finish()


def _confined(entry: CorpusEntry, folder: Path, config: CorpusConfig) -> list[TrackRecord]:
    """`check`, for a file under the corpus folder; any other is not looked at."""
    try:
        inside = (folder / entry.path).resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # a name too long, a NUL, links in a circle
        inside = False
    if inside:
        return check(entry, folder, config)
    return [_set_aside(_blank(entry), "lies outside the corpus folder")]


def _blank(entry: CorpusEntry) -> TrackRecord:
    """The record of a file that has not been looked at."""
    return TrackRecord(
        track=entry.track, path=entry.path, sha256="", seconds=0.0, start_seconds=0.0,
        sample_rate=0, artist=entry.artist, split="", tags=entry.tags, caption=entry.caption,
        license=entry.license, status="ok", reason="", group=entry.group,
    )  # fmt: skip


def _group(entry: CorpusEntry) -> str:
    """What must not be parted by the split; an artist and a track of one name are two groups."""
    if entry.split_by:
        return entry.split_by
    if entry.artist:
        return f"artist {entry.artist}"
    return entry.group or f"track {entry.track}"


def _set_aside(record: TrackRecord, reason: str) -> TrackRecord:
    return replace(record, split="", status="set_aside", reason=reason)


def _count(records: list[TrackRecord]) -> dict[str, dict[str, Any]]:
    """Usable tracks a split, set-aside ones by reason, levels."""
    usable = Counter(record.split for record in records if record.status == "ok")
    aside = [record.reason for record in records if record.status != "ok"]
    return {
        "usable": {split: usable[split] for split in SPLITS},
        "set_aside": by_kind(aside),
        "levels": _levels(records),
    }


def _levels(records: list[TrackRecord]) -> dict[str, int | float]:
    """Middle loudness of the usable tracks in LUFS, and how many reach full scale."""
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
            f"{aside} excluded{f' ({why})' if why else ''}; a corpus needs some in each"
        )
