"""What is steered, and how."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import PipelineError
from pipeline.subjects.base import HALVES


@dataclass(frozen=True)
class SteeringConfig:
    """What is steered, and how."""

    features: int = 8
    """Kept features of each SAE, drawn with `seed`; where it has fewer, all."""
    alphas: tuple[float, ...] = (1.0,)
    """α: shares of the largest activation over the exemplars."""
    prompt: str = "Simple melody"
    seconds: float = 5.0
    """Length of a clip, seconds."""
    takes: int = 1
    """Seeds a feature and α."""
    halves: str = "both"
    """Where guidance computes each step twice: `both`, or `conditional` alone."""
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.features, self.takes, self.seconds) <= 0:
            raise PipelineError("features, takes and seconds of a steering must be over 0")
        if not self.alphas or self.halves not in HALVES:
            raise PipelineError(f"a steering needs an alpha, and halves among {', '.join(HALVES)}")
