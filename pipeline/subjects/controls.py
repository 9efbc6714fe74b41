"""What stands in for the subject in a control: its codec, a mel spectrogram, randomised sound.

Each is read by the same stages as the subject, so that training, filter and grading are the same.
Each has its own fingerprint, so that a run of a control is never continued as a run of the subject.
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
"""Window of the mel spectrogram, samples."""


class CodecLatents:
    """The codec's quantised latents, the sum of the codes' vectors [batch, frame, d]: what is in
    the codes before any language model reads them."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self.facts = _facts(subject, "codec-latents", subject.facts.codec_width)

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """The subject's codes."""
        return self._subject.encode(audio)

    def activations(
        self, codes: torch.Tensor, hookpoints: Sequence[str]
    ) -> dict[str, torch.Tensor]:
        """Quantised latents of the codec, the same at every hookpoint."""
        return dict.fromkeys(hookpoints, self._subject.codec_latents(codes))


class MelSpectrogram:
    """Log-mel spectra at the subject's frame rate: what a dictionary finds in the sound itself."""

    def __init__(self, subject: Subject) -> None:
        self.facts = _facts(subject, "mel-spectrogram", MEL_BANDS)

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Log-mel spectra ln(power + 1e-5), [batch, band, frame], in place of codes."""
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
        # librosa pads the ends and returns one frame more than the codec has.
        return torch.from_numpy(np.log(mel[..., : audio.shape[-1] // hop] + 1e-5))

    def activations(
        self, codes: torch.Tensor, hookpoints: Sequence[str]
    ) -> dict[str, torch.Tensor]:
        """The spectra, one vector per frame, the same at every hookpoint."""
        return dict.fromkeys(hookpoints, codes.transpose(1, 2).float())


class PhaseRandomised:
    """The subject on tracks with random phases: the power spectrum of the whole track is kept, and
    everything that happens in time (rhythm, attack, melody) is destroyed."""

    def __init__(self, subject: ActivationSource) -> None:
        self._subject = subject
        own = standin_fingerprint(subject.facts.fingerprint, "phase-randomised-corpus")
        self.facts = replace(subject.facts, fingerprint=own)

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Codes of the phase-randomised sound."""
        import torch

        return self._subject.encode(torch.stack([randomise(track) for track in audio]))

    def activations(
        self, codes: torch.Tensor, hookpoints: Sequence[str]
    ) -> dict[str, torch.Tensor]:
        """The subject's own."""
        return self._subject.activations(codes, hookpoints)


def randomise(track: torch.Tensor) -> torch.Tensor:
    """A sound [sample] with the magnitudes of `track` and random phases (the surrogate data of
    Theiler et al., 1992); the same for the same track, seeded by its hash."""
    import torch

    digest = hashlib.sha256(track.contiguous().numpy().tobytes()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
    spectrum = torch.fft.rfft(track)
    turns = torch.rand(len(spectrum), generator=generator)
    turned = torch.polar(spectrum.abs(), 2 * torch.pi * turns)
    # The bins of 0 Hz and, at even length, of the Nyquist frequency must stay real.
    turned[0] = spectrum[0]
    if len(track) % 2 == 0:
        turned[-1] = spectrum[-1]
    made: torch.Tensor = torch.fft.irfft(turned, n=len(track))
    return made


def _facts(subject: ActivationSource, control: str, width: int) -> SubjectFacts:
    """The subject's facts with those of the stand-in: `width` dimensions per frame, no delay."""
    return replace(
        subject.facts,
        fingerprint=standin_fingerprint(subject.facts.fingerprint, control),
        n_codebooks=1,
        n_blocks=1,
        width=width,
    )
