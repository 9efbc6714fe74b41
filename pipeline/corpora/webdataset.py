"""Tar shards in webdataset's form, as MusicSet (Wei et al. 2024) comes: `*.tar` under the folder.

Files of a shard that share their name up to its first dot are one sample: the sound
(`KEY.flac`), and its facts (`KEY.json` or `KEY.txt`). Of the JSON are read: a caption (`caption`,
`text`, `main_caption` or `description`; of a list the first), tags (`tags`, `tag` or
`aspect_list`), `artist`, `license`. Nothing is unpacked: a track's path leads into its shard. A
sample named after a YouTube video (MusicCaps, and MusicBench's shifted copies of it) shares its
split with all that are.
Source: https://huggingface.co/datasets/ManzhenWei/MusicSet; the form is webdataset's.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline import sounds
from pipeline.corpora.base import (
    AUDIO_SUFFIXES,
    CorpusEntry,
    fingerprint_of,
    no_concepts,
    sorted_entries,
    youtube_group,
)
from pipeline.errors import PipelineError

CAPTIONS = ("caption", "text", "main_caption", "description")
TAGS = ("tags", "tag", "aspect_list")


class WebdatasetCorpus:
    """The adapter `webdataset`."""

    concepts = staticmethod(no_concepts)

    @staticmethod
    def fingerprint(folder: Path) -> str:
        """SHA-256 over names and sizes of the shards; the stage `corpus` hashes each sound."""
        return fingerprint_of(folder, contents=[], sizes=_shards(folder))

    @staticmethod
    def entries(folder: Path) -> list[CorpusEntry]:
        """Every sample that has a sound, sorted by shard and key."""
        found = (entry for shard in _shards(folder) for entry in _samples(shard, folder))
        return sorted_entries(found, folder)


def _shards(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*.tar") if path.is_file())
    if not found:
        raise PipelineError(f"corpus folder {folder} has no tar shards (*.tar, not compressed)")
    return found


def _samples(shard: Path, folder: Path) -> Iterator[CorpusEntry]:
    try:
        names = sounds.members_of(shard)
    except (tarfile.TarError, OSError) as error:
        raise PipelineError(f"{shard} is no tar shard: {error}") from error
    samples: dict[str, dict[str, str]] = {}
    for name in names:
        place, _, last = name.rpartition("/")
        key, _, suffix = last.partition(".")
        samples.setdefault(f"{place}/{key}".lstrip("/"), {})[f".{suffix.lower()}"] = name
    here = shard.relative_to(folder).as_posix()
    for key, members in samples.items():
        sound = next((name for kind, name in members.items() if kind in AUDIO_SUFFIXES), None)
        if sound is not None:
            facts = _facts(shard, members)
            yield CorpusEntry(
                track=f"{here.removesuffix('.tar')}/{key}",
                path=f"{here}/{sound}",
                artist=_text(facts.get("artist")),
                tags=_tags(facts),
                caption=next((_text(facts[k]) for k in CAPTIONS if facts.get(k)), ""),
                license=_text(facts.get("license")),
                group=youtube_group(key.rpartition("/")[2]) or f"sample {key}",
            )


def _facts(shard: Path, members: dict[str, str]) -> dict[str, Any]:
    """What a sample's JSON says, or its text as the caption; nothing if it has neither."""
    if ".json" in members:
        try:
            found = json.loads(_read(shard, members[".json"]))
        except ValueError as error:
            raise PipelineError(f"{shard}: {members['.json']} is not JSON: {error}") from error
        return found if isinstance(found, dict) else {"caption": found}
    return {"caption": _read(shard, members[".txt"]).strip()} if ".txt" in members else {}


def _read(shard: Path, member: str) -> str:
    with sounds.opened(shard / member) as stream:
        return stream.read().decode("utf-8", errors="replace")


def _text(value: Any) -> str:
    """A text, the first of several; empty for nothing."""
    if isinstance(value, list):
        value = value[0] if value else ""
    return "" if value is None else str(value)


def _tags(facts: dict[str, Any]) -> tuple[str, ...]:
    found: Any = next((facts[key] for key in TAGS if facts.get(key)), [])
    several = found.split(",") if isinstance(found, str) else found
    return tuple(dict.fromkeys(str(tag).strip() for tag in several if str(tag).strip()))
