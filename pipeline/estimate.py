"""What a run will take, before it starts: tracks, bytes on disk, work to do.

Bytes are counted from shapes; times are for whoever knows this machine's speed. Nothing is loaded:
the subject's width is read from its folder's `config.json`, and is unknown for a hub name.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.config import RunConfig
from pipeline.corpus.adapters import ADAPTERS
from pipeline.errors import PipelineError
from pipeline.files.text import read_json
from pipeline.registry import resolve

FRAMES_PER_SECOND = 50
"""EnCodec's rate at every size of MusicGen."""


@dataclass(frozen=True)
class RunCost:
    """Sizes; None where the config or the files here do not tell."""

    tracks: int | None
    saes: int
    latents: int | None
    """Over all SAEs."""
    activation_bytes: int | None
    """float16, one row a frame and hookpoint."""
    sae_bytes: int | None
    """Weights and, as the trainer keeps them, nothing else."""
    summary_bytes: int | None
    """Mean and maximum of every latent in every track."""
    dollars_per_feature: float
    """What paid methods may cost for one kept feature, US dollars; 0 where none is chosen."""

    @property
    def total_bytes(self) -> int | None:
        """All of it, without clips; None if any part is unknown."""
        parts = (self.activation_bytes, self.sae_bytes, self.summary_bytes)
        return None if None in parts else sum(part or 0 for part in parts)


def cost_of(config: RunConfig, *, tracks: int | None = None) -> RunCost:
    """What a run of this config takes; `tracks` where the corpus has been counted already.

    Raises `PipelineError` if its corpus is named and cannot be listed.
    """
    width = _width(config.subject.model)
    tracks = _tracks(config) if tracks is None else tracks
    hookpoints = len(config.subject.hookpoints)
    each = [(expansion, k) for expansion in config.sae.expansions for k in config.sae.ks]
    latents = latents_of(config)
    frames = tracks and round(tracks * config.corpus.clip_seconds * FRAMES_PER_SECOND)
    return RunCost(
        tracks=tracks,
        saes=len(each) * hookpoints,
        latents=latents,
        activation_bytes=frames * width * hookpoints * 2 if frames and width else None,
        sae_bytes=latents * width * 2 * 4 if latents and width else None,
        summary_bytes=tracks * latents * 2 * 4 if tracks and latents else None,
        dollars_per_feature=_dollars_per_feature(config),
    )


def latents_of(config: RunConfig) -> int | None:
    """Latents of all the config's SAEs; None where the subject's width is not known here."""
    width = _width(config.subject.model)
    if width is None:
        return None
    each = sum(config.sae.expansions) * len(config.sae.ks) * width
    return each * len(config.subject.hookpoints)


def _dollars_per_feature(config: RunConfig) -> float:
    """By the prices in the config, for a feature whose every exemplar is as long as may be."""
    paid = [one for one in config.labels.methods if one.partition("@")[0] == "gemini"]
    if not paid:
        return 0.0
    from pipeline.labelers.gemini.costs import cost_per_question

    return len(paid) * cost_per_question(config)


def _tracks(config: RunConfig) -> int | None:
    if config.corpus.path is None:
        return None
    adapter = resolve(ADAPTERS, config.corpus.adapter, "corpus adapter")
    return sum(not entry.reason for entry in adapter.entries(config.corpus.path))


def _width(model: str) -> int | None:
    """Dimensions of the residual stream, as the model's own folder says."""
    try:
        found = read_json(Path(model) / "config.json")
    except PipelineError:
        return None
    width = found.get("decoder", {}).get("hidden_size") if isinstance(found, dict) else None
    return width if isinstance(width, int) else None
