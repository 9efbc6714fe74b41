"""Tar shards in webdataset format, as in MusicSet (Wei et al. 2024): `*.tar` under the folder.

A sample is a sound (`KEY.flac`) and its metadata, `KEY.json` or `KEY.txt`, where KEY is the sound's
name without its suffix or, as the format defines it, up to its first dot. The JSON gives a caption
(`caption`, `text`, `main_caption` or `description`; the first if it is a list), tags (`tags`, `tag`
or `aspect_list`), `artist`, `license` and, for the split only, the artist, album, track or video
that it names. Nothing is unpacked: a track's path leads into its shard. Unusable items (metadata
without a sound, a link that leads nowhere, a truncated shard) are listed with their reason.

Clips of the same recording share a split, and so do those of the same artist. The split goes by the
artist, else by the album, video or track in the JSON, else by the YouTube video (MusicCaps, and
MusicBench's shifted copies of it) or the Jamendo track in the file name. Where the artist is known,
the JSON's identifier of a video or track is kept as well, since it may occur in a row without the
artist; an album, a title or a file name is not, since two artists may use the same one.
Source: https://huggingface.co/datasets/ManzhenWei/MusicSet and the webdataset format.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.corpus import audio_source
from pipeline.corpus.adapters.base import (
    AUDIO_SUFFIXES,
    CorpusEntry,
    fingerprint_of,
    no_concepts,
    sorted_entries,
    tags_of,
    text_of,
)
from pipeline.corpus.adapters.names import recording_group
from pipeline.errors import PipelineError
from pipeline.files.text import decoded, json_of

CAPTIONS = ("caption", "text", "main_caption", "description")
TAGS = ("tags", "tag", "aspect_list")
ARTISTS = ("artist", "artist_name", "artist_id")
ALBUMS = ("album_id", "album")
VIDEOS = ("ytid", "youtube_id", "video_id")
TRACK_IDS = ("track_id", "jamendo_id")
TRACKS = (*TRACK_IDS, "track")
FACTS = (".json", ".txt")
PACKED = (".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".tar.zst")


class WebdatasetCorpus:
    """The adapter `webdataset`."""

    concepts = staticmethod(no_concepts)

    @staticmethod
    def fingerprint(folder: Path) -> str:
        """SHA-256 over the names and sizes of the shards; the stage `corpus` hashes each sound."""
        return fingerprint_of(folder, contents=[], sizes=_shards(folder))

    @staticmethod
    def entries(folder: Path) -> list[CorpusEntry]:
        """Every sample, sorted by shard and key."""
        found = [entry for shard in _shards(folder) for entry in _samples(shard, folder)]
        packed = (path for path in sorted(folder.rglob("*")) if path.name.endswith(PACKED))
        found += [
            _unusable(path, folder, "is compressed: unpack it to a plain .tar") for path in packed
        ]
        return sorted_entries(found, folder)


def _shards(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*.tar") if not path.is_dir())
    if not found:
        raise PipelineError(f"corpus folder {folder} has no tar shards (*.tar, not compressed)")
    return found


def _unusable(path: Path, folder: Path, reason: str) -> CorpusEntry:
    name = path.relative_to(folder).as_posix()
    return CorpusEntry(track=name, path=name, reason=reason)


def _samples(shard: Path, folder: Path) -> Iterator[CorpusEntry]:
    fault = audio_source.fault_of(shard)
    if fault:
        yield _unusable(shard, folder, fault)
        return
    try:
        held = audio_source.shard_of(shard)
    except (tarfile.TarError, OSError) as error:
        yield _unusable(shard, folder, f"is not a tar shard: {error}")
        return
    if held.faults.get("") or not (held.members or held.faults):
        yield _unusable(shard, folder, f"the shard {held.faults.get('') or 'is empty'}")
    yield from _of_members(shard, shard.relative_to(folder).as_posix(), held)


def _of_members(shard: Path, here: str, held: audio_source.Shard) -> Iterator[CorpusEntry]:
    """The samples of a shard, and the members that belong to none; `here` is the shard's path
    relative to the corpus folder."""
    track = f"{here.removesuffix('.tar')}/{{}}".format
    keys: set[str] = set()
    for name in sorted(held.members):
        key, suffix = _parted(name)
        if suffix in AUDIO_SUFFIXES:
            entry = CorpusEntry(track=track(key), path=f"{here}/{name}")
            keys.add(key)
            yield _with_facts(entry, shard, name, _facts_of(name, held.members, keys))
    for name, reason in sorted(held.faults.items()):
        if name:
            keys.add(_parted(name)[0])
            yield CorpusEntry(track=track(name), path=f"{here}/{name}", reason=reason)
    for key, name in _without_sound(held.members, keys).items():
        reason = f"the sample has no sound, only {PurePosixPath(name).suffix or name}"
        yield CorpusEntry(track=track(key), path=f"{here}/{name}", reason=reason)


def _parted(name: str) -> tuple[str, str]:
    """A member's name without its suffix, and the suffix in lower case."""
    suffix = PurePosixPath(name).suffix
    return name.removesuffix(suffix), suffix.lower()


def _first_key(name: str) -> str:
    """A member's name up to its first dot, which is its key as the format defines it."""
    place, _, last = name.rpartition("/")
    return f"{place}/{last.partition('.')[0]}".lstrip("/")


def _facts_of(name: str, members: dict[str, tuple[int, int]], keys: set[str]) -> str:
    """The member with a sound's metadata, or "" if there is none; its key is added to `keys`."""
    for key in (_parted(name)[0], _first_key(name), name):
        for ending in FACTS:
            forms = (key + ending, key + ending.upper(), key + ending.title())
            found = next((form for form in forms if form in members), "")
            if found:
                keys.add(key)
                return found
    return ""


def _without_sound(members: dict[str, tuple[int, int]], keys: set[str]) -> dict[str, str]:
    """One member of each key that has no sound."""
    found: dict[str, str] = {}
    for name in sorted(members):
        key, suffix = _parted(name)
        if suffix not in AUDIO_SUFFIXES and not any(one in keys for one in _prefixes(name)):
            found.setdefault(key, name)
    return found


def _prefixes(name: str) -> Iterator[str]:
    """A name cut at each dot of its last part: `a/b.mix.json` gives `a/b.mix` and `a/b`."""
    place, _, last = name.rpartition("/")
    parts = last.split(".")
    for count in range(len(parts) - 1, 0, -1):
        yield f"{place}/{'.'.join(parts[:count])}".lstrip("/")


def _with_facts(entry: CorpusEntry, shard: Path, sound: str, member: str) -> CorpusEntry:
    """The entry with its metadata, or with the reason why they cannot be read."""
    try:
        facts = _facts(shard, member) if member else {}
        artist = _first(facts, ARTISTS)
        return replace(
            entry,
            artist=artist,
            tags=_tags(facts),
            caption=_first(facts, CAPTIONS),
            license=_first(facts, ("license",)),
            group=_recording(facts, TRACK_IDS)
            if artist
            else _group(facts, _parted(sound)[0], sound),
        )
    except (PipelineError, ValueError) as error:
        return replace(entry, reason=str(error))


def _group(facts: dict[str, Any], key: str, sound: str) -> str:
    """The split group of a sample whose artist is not known."""
    album = _first(facts, ALBUMS)
    if album:
        return f"album {album}"
    return _recording(facts, TRACKS) or recording_group(sound) or f"sample {key}"


def _recording(facts: dict[str, Any], tracks: tuple[str, ...]) -> str:
    """The group of the video or track in a sample's metadata; empty if they contain none."""
    video, track = _first(facts, VIDEOS), _first(facts, tracks)
    if video:
        return f"youtube {video}"
    return (_jamendo_number(track) or f"recording {track}") if track else ""


def _jamendo_number(track: str) -> str:
    number = track.removeprefix("track_")
    return f"jamendo {int(number)}" if number.isascii() and number.isdigit() else ""


def _facts(shard: Path, member: str) -> dict[str, Any]:
    """A sample's metadata from its JSON, or its text as the caption."""
    with audio_source.opened(shard / member) as stream:
        text = decoded(stream.read(), f"its {member}")
    if _parted(member)[1] == ".txt":
        return {"caption": text.strip()}
    found = json_of(text, f"its {member}")
    return found if isinstance(found, dict) else {"caption": found}


def _first(facts: dict[str, Any], names: tuple[str, ...]) -> str:
    """The first non-empty value among `names`, as text; the first non-empty element of a list.

    Raises `ValueError` if a value is neither text nor a number.
    """
    for name in names:
        value = facts.get(name)
        for one in value if isinstance(value, list) else [value]:
            try:
                text = text_of(one).strip()
            except ValueError as error:
                raise ValueError(f"its {name} is {error}") from error
            if text:
                return text
    return ""


def _tags(facts: dict[str, Any]) -> tuple[str, ...]:
    name = next((key for key in TAGS if facts.get(key) not in (None, "", [])), TAGS[0])
    try:
        return tags_of(facts.get(name), separators="|,")
    except ValueError as error:
        raise ValueError(f"its {name} is {error}") from error
