"""What a corpus adapter hands on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


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
