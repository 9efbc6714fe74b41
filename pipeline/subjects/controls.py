"""What stands in for the subject in a control: its codec, a mel spectrogram, other sound.

Each is read by the same stages as the subject, so that training, filter and grading are the same.
Each has a fingerprint of its own, so that no run of one is continued as a run of the subject.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.subjects.base import ActivationSource, Subject, SubjectFacts, standin_fingerprint

if TYPE_CHECKING:
    import torch

MEL_BANDS = 64
MEL_WINDOW = 2048
"""Samples of a spectrum."""


class CodecLatents:
    """The sum of the codes' vectors, [batch, frame, d]: what the codec's decoder is given, which
    no language model has read."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self.facts = _facts(subject, "codec-latents", subject.facts.codec_width)

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """The subject's codes."""
        return self._subject.encode(audio)

    def activations(
        self, codes: torch.Tensor, hookpoints: Sequence[str]
    ) -> dict[str, torch.Tensor]:
        """Quantised latents of the codec."""
        return dict.fromkeys(hookpoints, self._subject.codec_latents(codes))


class MelSpectrogram:
    """Log-mel spectra at the subject's frame rate: what a dictionary finds without any model."""

    def __init__(self, subject: Subject) -> None:
        self.facts = _facts(subject, "mel-spectrogram", MEL_BANDS)

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
    """The subject on tracks whose phases are drawn at random: the spectrum of the whole track
    stays, and whatever happens in time (rhythm, attack, melody) is gone."""

    def __init__(self, subject: ActivationSource) -> None:
        self._subject = subject
        own = standin_fingerprint(subject.facts.fingerprint, "phase-randomised-corpus")
        self.facts = replace(subject.facts, fingerprint=own)

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


def _facts(subject: ActivationSource, control: str, width: int) -> SubjectFacts:
    """The subject's facts with another inside: one vector a frame, no delay."""
    return replace(
        subject.facts,
        fingerprint=standin_fingerprint(subject.facts.fingerprint, control),
        n_codebooks=1,
        n_blocks=1,
        width=width,
    )
