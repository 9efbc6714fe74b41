"""What a corpus adapter hands on, and what several of them do alike."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pipeline.artifacts import sha256_of
from pipeline.errors import PipelineError

AUDIO_SUFFIXES = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf",
     ".m4a", ".mp4", ".aac", ".webm", ".wma", ".mka"}
)  # fmt: skip
YOUTUBE = re.compile(r"\[?([\w-]{11})\]?(?:[-_\[.].*)?")
"""A file name that begins with a YouTube video's identifier, as copies of MusicCaps have it."""


@dataclass(frozen=True)
class CorpusEntry:
    """A recording as the corpus lists it, not yet looked at."""

    track: str
    """Identifier, unique in the corpus."""
    path: str
    """Of the audio file, from the corpus folder."""
    sha256: str = ""
    """Of the file's bytes, if the corpus states it."""
    artist: str = ""
    tags: tuple[str, ...] = ()
    caption: str = ""
    license: str = ""
    group: str = ""
    """What the split must not part, where it is another than the artist: copies of a recording
    that were shifted in pitch or tempo, several excerpts of one video."""


class Corpus(Protocol):
    """A way to read a corpus folder. Each method raises `PipelineError` on what cannot be read."""

    @staticmethod
    def fingerprint(folder: Path) -> str:
        """Hash of what the folder lists; another corpus has another."""

    @staticmethod
    def entries(folder: Path) -> list[CorpusEntry]:
        """Every recording that the folder lists, sorted by track."""

    @staticmethod
    def concepts(folder: Path) -> dict[str, Any] | None:
        """The content for `concepts.json` if concepts were planted, else None."""


def no_concepts(_folder: Path) -> dict[str, Any] | None:
    """The `concepts` of a corpus in which nothing was planted."""
    return None


def audio_files(folder: Path) -> list[Path]:
    """Every file under the folder whose suffix is one of sound, sorted."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
    return sorted(path for path in found if path.is_file())


def fingerprint_of(folder: Path, *, contents: Iterable[Path], sizes: Iterable[Path]) -> str:
    """SHA-256 over the contents of listings and the names and sizes of audio.

    Audio is not read here: the stage `corpus` hashes it.
    """
    digest = hashlib.sha256()
    for path in sorted(contents):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{sha256_of(path)}\n".encode())
    for path in sorted(sizes):
        name = path.relative_to(folder).as_posix()
        digest.update(f"{name}\0{path.stat().st_size}\n".encode())
    return digest.hexdigest()


def sorted_entries(entries: Iterable[CorpusEntry], where: Path) -> list[CorpusEntry]:
    """The entries by track; raises `PipelineError` if there is none or two share a name."""
    found = sorted(entries, key=lambda entry: entry.track)
    if not found:
        raise PipelineError(f"{where} lists no recording")
    for one, next_one in itertools.pairwise(found):
        if one.track == next_one.track:
            raise PipelineError(f"{where} names the track {one.track!r} twice")
    return found


def youtube_group(stem: str) -> str:
    """The split group of a file named after a YouTube video; empty if it is not."""
    match = YOUTUBE.fullmatch(stem)
    return f"youtube {match.group(1)}" if match else ""


def read_concepts(path: Path) -> dict[str, Any] | None:
    """`{"concepts": [{"name", "group", "synonyms", "description"}]}` from a file, None without."""
    if not path.is_file():
        return None
    try:
        concepts = json.loads(path.read_text(encoding="utf-8"))
        names = [concept["name"] for concept in concepts["concepts"]]
    except (ValueError, KeyError, TypeError) as error:
        raise PipelineError(f"{path} is not a list of named concepts: {error!r}") from error
    if len(set(names)) != len(names):
        raise PipelineError(f"{path} names a concept twice")
    return dict(concepts)
