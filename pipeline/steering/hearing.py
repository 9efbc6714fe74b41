"""What is measured of a generated clip: CLAP, the SAE read again, planted concepts, quality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pipeline.clap.base import Clap, Floats32, embed_whole
from pipeline.corpus import audio
from pipeline.features.encoding import summarise
from pipeline.sae.checkpoint import StoredSae
from pipeline.steering.concepts import Classifiers, describe
from pipeline.subjects.base import Generated

SOUND = ("loudness_lufs", "silent_share", "clipped_share", "repetition")
"""Measures of quality, in the order of `Ear.hear`'s `sound`."""
SILENCE_DB = -60.0
WINDOW_SECONDS = 0.05
NGRAM = 8
"""Frames of the first codebook that count as repeated if they come back."""


@dataclass(frozen=True)
class Ear:
    """Everything that listens to the clips of one SAE."""

    clap: Clap
    subject: Any
    stored: StoredSae
    kept: np.ndarray
    """Indices of the kept features."""
    classifiers: Classifiers

    def hear(self, clips: Sequence[Generated]) -> dict[str, np.ndarray]:
        """Of each clip: `embedding` [clip, width] by CLAP, `latents` [clip, kept feature] (mean
        over frames, normalised), `concepts` [clip, concept] (log-odds), `sound` [clip, measure],
        and its `codes` [clip, codebook, frame]."""
        rate = self.subject.facts.sample_rate
        sounds = [clip.audio.numpy() for clip in clips]
        described = np.stack([describe(sound, rate) for sound in sounds])
        return {
            "embedding": np.stack([embed(self.clap, sound, rate) for sound in sounds]),
            "latents": self.latents(torch.stack([clip.audio for clip in clips])),
            "concepts": self.classifiers.scores(described),
            "sound": np.array([_quality(clip, rate) for clip in clips]),
            "codes": np.stack([clip.codes.numpy() for clip in clips]).astype(np.int16),
        }

    def latents(self, sounds: torch.Tensor) -> np.ndarray:
        """The kept features' mean activations [clip, feature], normalised, of audio [clip, sample]
        that is encoded and read again, unconditionally, as the corpus was."""
        facts = self.stored.facts
        codes = self.subject.encode(sounds)
        stream = self.subject.activations(codes, [facts.hookpoint])[facts.hookpoint]
        mean = summarise(self.stored.sae, stream[:, self.subject.facts.first_full_frame :]).mean
        read: np.ndarray = mean.numpy()[:, self.kept] / facts.activation_scale
        return read


def embed(clap: Clap, sound: np.ndarray, rate: int) -> Floats32:
    """CLAP's embedding [width] of a sound [sample] at `rate` Hz."""
    import soxr

    if rate != clap.sample_rate:
        sound = soxr.resample(sound, rate, clap.sample_rate)
    return embed_whole(np.ascontiguousarray(sound, dtype=np.float32), clap)


def _quality(clip: Generated, rate: int) -> tuple[float, ...]:
    """`SOUND` of a clip; NaN for the loudness of silence."""
    sound = clip.audio.numpy()
    levels = audio.levels_of(sound[None], rate)
    loudness = float("nan") if levels.loudness_lufs is None else levels.loudness_lufs
    size = max(1, round(WINDOW_SECONDS * rate))
    windows = sound[: len(sound) // size * size].reshape(-1, size)
    level = 10 * np.log10(np.square(windows, dtype=np.float64).mean(axis=1) + 1e-12)
    silent = float((level < SILENCE_DB).mean()) if len(level) else 1.0
    return loudness, silent, levels.clipped_share, repetition(clip.codes[0].numpy())


def repetition(codes: np.ndarray) -> float:
    """Share of the stretches of `NGRAM` frames of a codebook [frame] that occurred before."""
    stretches = [tuple(codes[i : i + NGRAM].tolist()) for i in range(len(codes) - NGRAM + 1)]
    return 1 - len(set(stretches)) / len(stretches) if stretches else 0.0


def frechet(ours: np.ndarray, reference: np.ndarray) -> float:
    """Fréchet distance of two sets of embeddings [clip, width], each taken as normal: ‖μ₁ − μ₂‖² +
    tr(C₁ + C₂ − 2 (C₁ C₂)^½) (Kilgour et al., 1812.08466). With fewer clips than dimensions it is
    too large, by as much for every set of the same size. NaN with fewer than two clips."""
    if min(len(ours), len(reference)) < 2:
        return float("nan")
    ours, reference = ours.astype(np.float64), reference.astype(np.float64)
    means = ours.mean(axis=0) - reference.mean(axis=0)
    # tr (C₁ C₂)^½ is the sum of the singular values of A Bᵀ for C₁ = AᵀA, C₂ = BᵀB.
    a, b = ((one - one.mean(axis=0)) / np.sqrt(len(one) - 1) for one in (ours, reference))
    shared = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return float(means @ means + np.square(a).sum() + np.square(b).sum() - 2 * shared)
