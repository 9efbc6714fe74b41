"""An estimate of a run before it starts: number of tracks and SAEs, bytes on disk, cost.

Bytes are computed from shapes. Times are left to callers that know how fast this machine is. No
model is loaded: the subject's width is read from `config.json` in its folder, or known for
MusicGen's names on the hub.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.config import RunConfig
from pipeline.corpus.adapters import ADAPTERS
from pipeline.registry import resolve
from pipeline.subjects.sources import stated_width

WIDTHS = {
    "facebook/musicgen-small": 1024,
    "facebook/musicgen-medium": 1536,
    "facebook/musicgen-large": 2048,
}
FRAMES_PER_SECOND = 50
"""Frame rate of EnCodec, the same for all sizes of MusicGen."""


@dataclass(frozen=True)
class RunCost:
    """Sizes of a run; None where they do not follow from the config and this machine's files."""

    tracks: int | None
    saes: int
    latents: int | None
    """Over all SAEs."""
    activation_bytes: int | None
    """float16, one row per frame and hookpoint."""
    sae_bytes: int | None
    """Weights of all SAEs, float32."""
    summary_bytes: int | None
    """What the kept latents do in the tracks, assuming `kept_share` of them; all latents, where
    concepts are planted, can take more."""
    dollars_per_feature: float
    """Upper bound of what paid methods cost per kept feature, US dollars; 0 if none is chosen."""

    @property
    def total_bytes(self) -> int | None:
        """The sum of the above, without audio clips; None if any of them is unknown."""
        parts = (self.activation_bytes, self.sae_bytes, self.summary_bytes)
        return None if None in parts else sum(part or 0 for part in parts)


def cost_of(config: RunConfig, *, tracks: int | None = None) -> RunCost:
    """What a run of this config takes; pass `tracks` if the corpus has already been counted.

    Raises `PipelineError` if the config names a corpus that cannot be listed.
    """
    width = width_of(config.subject.model)
    tracks = _tracks(config) if tracks is None else tracks
    hookpoints = len(config.subject.hookpoints)
    each = [(expansion, k) for expansion in config.sae.expansions for k in config.sae.ks]
    each = each[:1] if config.sae.checkpoint else each
    latents = latents_of(config)
    frames = tracks and round(tracks * config.corpus.clip_seconds * FRAMES_PER_SECOND)
    return RunCost(
        tracks=tracks,
        saes=len(each) * hookpoints,
        latents=latents,
        activation_bytes=_activation_bytes(config, frames, width),
        sae_bytes=latents * width * 2 * 4 if latents and width else None,
        summary_bytes=_summary_bytes(config, tracks, latents) if tracks and latents else None,
        dollars_per_feature=_dollars_per_feature(config),
    )


def _activation_bytes(config: RunConfig, frames: int | None, width: int | None) -> int | None:
    """Size of the activation files; None if it does not follow from the config."""
    if config.machine.online:
        return 0
    each = 2 * len(config.subject.hookpoints)  # float16
    return frames * width * each if frames and width else None


def latents_of(config: RunConfig) -> int | None:
    """Number of latents in all SAEs together; None if the subject's width is not known here, or
    the SAE was trained elsewhere."""
    width = width_of(config.subject.model)
    if width is None or config.sae.checkpoint:
        return None
    each = sum(config.sae.expansions) * len(config.sae.ks) * width
    return each * len(config.subject.hookpoints)


def width_of(model: str) -> int | None:
    """Width of the residual stream of a folder's model or of one of MusicGen's on the hub; None if
    it is not known."""
    return stated_width(model) or WIDTHS.get(model)


def kept_share(config: RunConfig) -> float:
    """The share of latents that is assumed to be kept.

    Above 0, that of the paper's SAE that kept most: 2,344 of 65,536. Under another threshold, the
    demo's, 32 %: its dictionaries are small.
    """
    return 2344 / 65_536 if config.features.filter[0] == 0 else 0.32


def kept_of(config: RunConfig, latents: int) -> int:
    """The number of features that is assumed to be kept."""
    return round(latents * kept_share(config))


def _summary_bytes(config: RunConfig, tracks: int, latents: int) -> int:
    # A kept latent fires in at most `max_rate` of the tracks; under a threshold above 0 it may be
    # active in all. 16 bytes per entry, and 300 for what is stored of every latent.
    threshold, _, most = config.features.filter
    entries = kept_of(config, latents) * tracks * (most if threshold == 0 else 1.0)
    return round(16 * entries) + 300 * latents


def _dollars_per_feature(config: RunConfig) -> float:
    """Cost at the config's prices of a feature whose exemplars all have the maximum length."""
    if not config.paid_sections():
        return 0.0
    from pipeline.labelers.remote.accounts import dollars_per_feature

    return dollars_per_feature(config)


def _tracks(config: RunConfig) -> int | None:
    if config.corpus.path is None:
        return None
    adapter = resolve(ADAPTERS, config.corpus.adapter, "corpus adapter")
    return sum(not entry.reason for entry in adapter.entries(config.corpus.path))
