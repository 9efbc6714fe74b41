"""The settings of a steering."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import PipelineError
from pipeline.subjects.base import HALVES


@dataclass(frozen=True)
class SteeringConfig:
    """Which features are steered, how far, and in which music."""

    features: int = 8
    """Number of kept features per SAE, drawn with `seed`; all where an SAE has fewer."""
    alphas: tuple[float, ...] = (1.0,)
    """α: multiples of β, the feature's largest activation over its exemplars."""
    prompt: str = "Simple melody"
    seconds: float = 5.0
    """Length of each clip, seconds."""
    takes: int = 1
    """Number of seeds per feature and α."""
    halves: str = "both"
    """Which half of the batch is steered under classifier-free guidance, which computes each step
    with the prompt and without: `both`, or `conditional` only."""
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.features, self.takes, self.seconds) <= 0:
            raise PipelineError(
                f"features is {self.features}, takes {self.takes}, seconds {self.seconds:g}; each "
                "must be over 0"
            )
        if not self.alphas or self.halves not in HALVES:
            raise PipelineError(
                f"alphas is {list(self.alphas)} and halves {self.halves!r}; there must be at least "
                f"one alpha, and halves must be one of {', '.join(HALVES)}"
            )
