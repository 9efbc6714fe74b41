"""What a subject model backend does, and the conventions that all of them keep.

A *hookpoint* is `decoder.layers.BLOCK.SITE`: blocks are counted from 0; `resid_pre` is what
enters the block, `resid_post` what leaves it. Both are the residual stream [batch, step, d].

In audiocraft's names that is what enters and what leaves `lm.transformer.layers[BLOCK]`, in
transformers' `decoder.model.decoder.layers[BLOCK]`; transformers' own `hidden_states[i]` is
`decoder.layers.i.resid_pre`, but its last entry has passed the final LayerNorm.

*Delay pattern.* With K codebooks, step s of the decoder's input holds codebook q of audio frame
s − 1 − q; step 0 holds special tokens alone. What leaves a block at step s is put to frame
s − 1, the newest that it has seen. The K − 1 frames at the start still have special tokens in
the higher codebooks, which is why `Subject.first_full_frame` is K − 1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from pipeline.config.sections import parse_hookpoint
from pipeline.errors import PipelineError

if TYPE_CHECKING:
    import torch

    from pipeline.config import SubjectConfig

DELAY_MAPPING = "frame=step-1"
"""Name of the mapping above, kept with every activation file and every SAE."""


@dataclass(frozen=True)
class SubjectFacts:
    """What later stages need to know of a subject without loading it."""

    fingerprint: str
    """Hash of weights and config, and of what a control did to them."""
    sample_rate: int
    """Hz, of the audio that `encode` takes."""
    frame_rate: float
    """Audio frames a second."""
    n_codebooks: int
    n_blocks: int
    width: int
    """Dimensions of the residual stream."""
    codec_width: int
    """Dimensions of the codec's latents."""

    @property
    def first_full_frame(self) -> int:
        """The first frame whose step holds no special token."""
        return self.n_codebooks - 1


HALVES = ("both", "conditional")


@dataclass(frozen=True)
class SteeringVector:
    """A direction in the residual stream, and where it belongs."""

    direction: torch.Tensor
    """[d] float32."""
    hookpoint: str
    subject_fingerprint: str
    delay_mapping: str = DELAY_MAPPING

    def __post_init__(self) -> None:
        parse_hookpoint(self.hookpoint)


@dataclass(frozen=True)
class Intervention:
    """x' = x + strength · direction at the vector's hookpoint, in every step of a generation.

    Every step means the first too, which holds special tokens alone: a generation starts from
    nothing, so there is no prompt of audio that could be left out. Under classifier-free guidance
    each step is computed twice, with the prompt and without. `both` adds the vector to both: it
    then moves the guided logits once, as it would without guidance. `conditional` adds it only
    where the prompt is, and guidance multiplies its effect by the guidance scale.
    """

    vector: SteeringVector
    strength: float = 1.0
    """α β of the paper; 0 changes no token."""
    halves: str = "both"

    def __post_init__(self) -> None:
        if self.halves not in HALVES:
            raise PipelineError(f"halves is {self.halves!r}; known: {', '.join(HALVES)}")


@dataclass(frozen=True)
class Sampling:
    """How a next code is drawn; the defaults are MusicGen's own."""

    guidance: float = 3.0
    """Scale of classifier-free guidance; 1 is none."""
    top_k: int = 250
    """Codes that are drawn from; 1 takes the likeliest."""
    temperature: float = 1.0


DEFAULT_SAMPLING = Sampling()


@dataclass(frozen=True)
class Generated:
    """What a subject made."""

    audio: torch.Tensor
    """[sample] float32, mono, at the subject's sample rate."""
    codes: torch.Tensor = field(repr=False)
    """[codebook, frame] int64: what the language model drew, the delay undone."""


def standin_fingerprint(fingerprint: str, control: str) -> str:
    """Of what stands in for a subject under a control: never the subject's own."""
    return hashlib.sha256(f"{fingerprint}\0{control}".encode()).hexdigest()


class ActivationSource(Protocol):
    """What the stage `activations` needs of a subject, or of what stands in for one."""

    facts: SubjectFacts

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Codes [batch, codebook, frame] of mono audio [batch, sample]."""

    def activations(
        self, codes: torch.Tensor, hookpoints: Sequence[str]
    ) -> dict[str, torch.Tensor]:
        """Vectors [batch, frame, d] float32 at each hookpoint, for what `encode` gave."""


class Subject(Protocol):
    """A frozen generator, loaded."""

    facts: SubjectFacts

    def __init__(self, config: SubjectConfig, *, device: str = "cpu") -> None:
        """Load the model; raises `PipelineError` if that cannot be."""

    @staticmethod
    def fingerprint_of(config: SubjectConfig) -> str:
        """`facts.fingerprint` without loading the model."""

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Codes [batch, codebook, frame] of mono audio [batch, sample]."""

    def activations(
        self, codes: torch.Tensor, hookpoints: Sequence[str]
    ) -> dict[str, torch.Tensor]:
        """Unconditional residual stream [batch, frame, d] at each hookpoint, for codes
        [batch, codebook, frame]; float32; the forward ends at the deepest hookpoint."""

    def codec_latents(self, codes: torch.Tensor) -> torch.Tensor:
        """What the codec's decoder is given for codes [batch, codebook, frame]: the sum of their
        vectors, [batch, frame, d] float32, on the CPU."""

    def generate(
        self,
        prompt: str,
        seconds: float,
        seed: int,
        interventions: Sequence[Intervention] = (),
        *,
        sampling: Sampling = DEFAULT_SAMPLING,
    ) -> Generated:
        """Music for a prompt; an empty prompt is the unconditional model.

        Raises `PipelineError` if an intervention is of another subject or delay mapping, or if
        the subject has no text encoder for its prompt.
        """
