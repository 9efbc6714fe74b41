"""What stands in for the subject in a control: its codec alone, a mel spectrogram, other music.

Each is read by the same stages as the subject, so that dictionary, filter and grading are the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipeline.subjects.base import Reading, SubjectFacts

if TYPE_CHECKING:
    import torch

MEL_BANDS = 64
MEL_WINDOW = 2048
"""Samples of a spectrum."""


class CodecLatents:
    """The sum of the codes' vectors, [batch, frame, d]: what the decoder is told, before it
    thinks."""

    def __init__(self, subject: Any) -> None:
        self._subject = subject
        self._quantizer = subject.codec.quantizer
        self.facts = _facts(subject, "codec latents", int(subject.codec.config.codebook_dim))

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """The subject's codes."""
        codes: torch.Tensor = self._subject.encode(audio)
        return codes

    def activations(
        self, codes: torch.Tensor, hookpoints: Sequence[str]
    ) -> dict[str, torch.Tensor]:
        """Quantised latents of the codec."""
        import torch

        with torch.inference_mode():
            latents = self._quantizer.decode(codes.transpose(0, 1)).transpose(1, 2)
        return dict.fromkeys(hookpoints, latents.float().cpu())


class MelSpectrogram:
    """Log-mel spectra at the subject's frame rate: what a dictionary finds without any model."""

    def __init__(self, subject: Any) -> None:
        self.facts = _facts(subject, "mel spectrogram", MEL_BANDS)

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Log-mel spectra [batch, band, frame] in place of codes."""
        import librosa
        import numpy as np
        import torch

        hop = round(self.facts.sample_rate / self.facts.frame_rate)
        mel = librosa.feature.melspectrogram(
            y=audio.numpy(),
            sr=self.facts.sample_rate,
            n_fft=MEL_WINDOW,
            hop_length=hop,
            n_mels=MEL_BANDS,
        )
        return torch.from_numpy(np.log(mel[..., : audio.shape[-1] // hop] + 1e-5))

    def activations(
        self, codes: torch.Tensor, hookpoints: Sequence[str]
    ) -> dict[str, torch.Tensor]:
        """The spectra, a vector a frame."""
        return dict.fromkeys(hookpoints, codes.transpose(1, 2).float())


class PhaseRandomised:
    """The subject on tracks whose phases are drawn anew: the spectrum of the whole track stays, and
    whatever happens in time (rhythm, attack, melody) is gone."""

    def __init__(self, subject: Reading) -> None:
        self._subject = subject
        self.facts = replace(
            subject.facts, fingerprint=_named(subject.facts.fingerprint, "phase-randomised")
        )

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Codes of the randomised sound."""
        import torch

        return self._subject.encode(torch.stack([randomise(track) for track in audio]))

    def activations(
        self, codes: torch.Tensor, hookpoints: Sequence[str]
    ) -> dict[str, torch.Tensor]:
        """The subject's own."""
        return self._subject.activations(codes, hookpoints)


def randomise(track: torch.Tensor) -> torch.Tensor:
    """A sound [sample] with the same magnitudes and random phases, the same each time."""
    import torch

    digest = hashlib.sha256(track.contiguous().numpy().tobytes()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
    spectrum = torch.fft.rfft(track)
    turns = torch.rand(len(spectrum), generator=generator)
    turned = torch.polar(spectrum.abs(), 2 * torch.pi * turns)
    # The first and, at even length, the last bin are real.
    turned[0] = spectrum[0]
    if len(track) % 2 == 0:
        turned[-1] = spectrum[-1]
    made: torch.Tensor = torch.fft.irfft(turned, n=len(track))
    return made


def _facts(subject: Reading, kind: str, width: int) -> SubjectFacts:
    """The subject's facts with another inside: one vector a frame, no delay."""
    return replace(
        subject.facts,
        fingerprint=_named(subject.facts.fingerprint, kind),
        n_codebooks=1,
        n_blocks=1,
        width=width,
    )


def _named(fingerprint: str, kind: str) -> str:
    return hashlib.sha256(f"{fingerprint}\0{kind}".encode()).hexdigest()
