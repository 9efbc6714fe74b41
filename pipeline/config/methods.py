"""The config's sections for individual labeling methods and scorers.

The string under each field gives its meaning and unit. A section is part of a run's key only if one
of the run's methods or scorers uses it. `OPERATIONAL` lists fields that affect speed, place or cost
but not results, and are left out of the key; `PATHS` lists fields that the key replaces by a
fingerprint of the file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from pipeline.config.guard import Guard, guard
from pipeline.config.sections import _require, _require_positive


@dataclass(frozen=True)
class ClapConfig:
    """CLAP, the model that measures how well a text fits a sound."""

    OPERATIONAL: ClassVar[tuple[str, ...]] = ("batch",)
    PATHS: ClassVar[tuple[str, ...]] = ("model",)

    model: str = field(
        default="",
        metadata=guard(Guard.MODEL)
        | {
            "help": "All scorers except reading need CLAP: a folder, or a name on the model hub. "
            "If empty, the one that EARWITNESS_CLAP_MODEL names."
        },
    )
    backend: str = field(
        default="transformers",
        metadata={"help": "Never compare scores from different backends."},
    )
    batch: int = 16
    """Sounds, or texts, per batch."""

    def __post_init__(self) -> None:
        _require_positive(self, "clap", "batch")


@dataclass(frozen=True)
class EssentiaConfig:
    """Essentia's classifiers."""

    PATHS: ClassVar[tuple[str, ...]] = ("models",)

    models: Path | None = field(default=None, metadata=guard(Guard.MODEL))
    """Folder with the models' .pb and .json files (default: `EARWITNESS_ESSENTIA_MODEL`)."""
    heads: tuple[str, ...] = (
        "genre_discogs400-discogs-effnet-1",
        "mtg_jamendo_instrument-discogs-effnet-1",
        "mtg_jamendo_moodtheme-discogs-effnet-1",
        "mtg_jamendo_top50tags-discogs-effnet-1",
        "voice_instrumental-discogs-effnet-1",
        "danceability-discogs-effnet-1",
        "tonal_atonal-discogs-effnet-1",
        "timbre-discogs-effnet-1",
    )
    """The classifier heads to use, by file name without extension."""
    per_head: int = 3
    """Maximum number of tags per head and feature."""

    def __post_init__(self) -> None:
        _require_positive(self, "essentia", "per_head")
        _require(bool(self.heads), "[essentia] heads is empty: give at least one")
        for head in self.heads:
            _require(
                Path(head).name == head,
                f"[essentia] heads has {head!r}; it must be a file name without its folder",
            )


@dataclass(frozen=True)
class FreeTextConfig:
    """What listeners wrote in an earlier study of the same features."""

    PATHS: ClassVar[tuple[str, ...]] = ("responses",)

    responses: Path | None = None
    """The `responses.csv` of the earlier study."""
    run: str = ""
    """The run that the study was about, as in the file's column `run`. Required. Its corpus,
    subject and SAEs must be the same as this run's, so that the features are the same."""
    min_participants: int = 1
    """A text becomes a candidate only if at least this many listeners wrote it."""

    def __post_init__(self) -> None:
        _require_positive(self, "free_text", "min_participants")


@dataclass(frozen=True)
class EnsembleConfig:
    """How the candidates of several methods are merged into one list."""

    PATHS: ClassVar[tuple[str, ...]] = ("responses",)

    methods: tuple[str, ...] = ()
    """The methods to merge; if empty, all of the run's except controls and other ensembles."""
    damping: float = 60.0
    """Constant κ of reciprocal rank fusion: each candidate scores 1 / (κ + rank)."""
    responses: Path | None = None
    """The `responses.csv` of an earlier study, whose answers then weight methods and ranks."""
    run: str = ""
    """The run that the study was about, as under [free_text]. Required with `responses`."""

    def __post_init__(self) -> None:
        _require(self.damping >= 0, f"[ensemble] damping is {self.damping}; it must be 0 or more")
