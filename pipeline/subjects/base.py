"""What a subject model backend does, and the conventions that all of them keep.

A *hookpoint* is `decoder.layers.BLOCK.SITE`: blocks are counted from 0; `resid_pre` is what
enters the block, `resid_post` what leaves it. Both are the residual stream [batch, step, d].

*Delay pattern.* With K codebooks, step s of the decoder's input holds codebook q of audio frame
s − 1 − q; step 0 holds special tokens alone. What leaves a block at step s is put to frame
s − 1, the newest that it has seen. The K − 1 frames at the start still have special tokens in
the higher codebooks, which is why `Subject.first_full_frame` is K − 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

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

    @property
    def first_full_frame(self) -> int:
        """The first frame whose step holds no special token."""
        return self.n_codebooks - 1


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
