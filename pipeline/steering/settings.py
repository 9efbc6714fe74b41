"""The settings of a steering, and of its evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite

from pipeline.config.sections import parse_hookpoint
from pipeline.errors import PipelineError
from pipeline.subjects.base import HALVES, WHEN

SEARCH = "search"
"""In place of a hookpoint: the one that moves the output most."""


@dataclass(frozen=True)
class SteeringConfig:
    """Which features are steered, how far, and in which music."""

    features: int = 8
    """Number of kept features per SAE, drawn with `seed`; all where an SAE has fewer."""
    stratify: bool = False
    """Draw as many features from each third of the kept features by rate, within each SAE (and so
    each hookpoint); otherwise all of an SAE's kept features are drawn from alike."""
    alphas: tuple[float, ...] = (1.0,)
    """α: multiples of β, the feature's largest activation over its exemplars."""
    prompt: str = "Simple melody"
    seconds: float = 5.0
    """Length of each clip, seconds."""
    takes: int = 1
    """Number of seeds per feature and α."""
    halves: str = "both"
    """Which half of the batch is steered under classifier-free guidance, which computes each step
    with the prompt and without: `both`, `conditional` or `unconditional`."""
    seed: int = 0
    interventions: tuple[str, ...] = ("add",)
    """Names in `pipeline.steering.interventions.INTERVENTIONS`."""
    when: str = "all"
    """In which steps: `all`, `prefill` (the first only) or `decode` (all that follow)."""
    schedule: tuple[tuple[float, float], ...] = ()
    """Points (seconds, weight) between which the strength is interpolated; 1 throughout if there
    are none."""
    beta_quantile: float = 1.0
    """β is this quantile of the feature's largest activations in each exemplar; 1 is the largest
    of all, as in the paper."""
    method: str = ""
    """The method whose best label is the prompt of the intervention `prompt`, and the text that
    music is compared with; by default the run's first that has labels."""
    pairs: str = ""
    """A TOML file of paired prompts for the intervention `mean-difference`."""
    layer: str = ""
    """Where vectors are added: a hookpoint, or `search` for the block after which the features'
    vectors move the heads most; by default the SAE's own hookpoint. Interventions that read the
    SAE (`clamp`, `ablate`) always act at its own."""

    def __post_init__(self) -> None:
        if self.layer not in ("", SEARCH):
            parse_hookpoint(self.layer)
        if min(self.features, self.takes) <= 0 or not 0 < self.seconds < inf:
            raise PipelineError(
                f"features is {self.features}, takes {self.takes}, seconds {self.seconds:g}; each "
                "must be over 0 and finite"
            )
        if not self.alphas or len(set(self.alphas)) < len(self.alphas):
            raise PipelineError(f"alphas is {list(self.alphas)}; it must name different strengths")
        if not all(map(isfinite, self.alphas)):
            raise PipelineError(f"alphas is {list(self.alphas)}; each must be a finite number")
        for name, value, known in (("halves", self.halves, HALVES), ("when", self.when, WHEN)):
            if value not in known:
                raise PipelineError(f"{name} is {value!r}; known: {', '.join(known)}")
        if not 0 < self.beta_quantile <= 1:
            raise PipelineError(
                f"beta_quantile is {self.beta_quantile:g}; it must be over 0 and at most 1"
            )


EVALUATED = (
    "add", "clamp", "ablate", "ablate-asked", "random-ablation", "exemplar-difference",
    "mean-difference", "prompt", "random-direction", "random-feature", "equal-rate-feature",
)  # fmt: skip
"""The interventions that an evaluation compares."""


@dataclass(frozen=True)
class EvaluationConfig(SteeringConfig):
    """What an evaluation generates and measures."""

    features: int = 100
    alphas: tuple[float, ...] = (0.5, 1.0, 2.0)
    takes: int = 4
    interventions: tuple[str, ...] = EVALUATED
    random_directions: int = 20
    """Random directions per SAE that every feature is compared with."""
    rows: int = 16
    """Number of clips that are generated at once."""
    saes: tuple[str, ...] = ()
    """Names of the SAEs to evaluate; all by default."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if 1.0 not in self.alphas or min(self.alphas) <= 0:
            raise PipelineError(
                f"alphas is {list(self.alphas)}; an evaluation needs 1, the paper's, and none of 0 "
                "or less, at which nothing changes"
            )
        if self.random_directions < 2 or self.rows < 1:
            raise PipelineError(
                f"random_directions is {self.random_directions} and rows {self.rows}; a "
                "distribution needs at least 2 directions, and a batch 1 row"
            )


@dataclass(frozen=True)
class HorizonsConfig(EvaluationConfig):
    """What an evaluation of effects after the end of an intervention generates and measures."""

    alphas: tuple[float, ...] = (1.0,)
    seconds: float = 8.0
    interventions: tuple[str, ...] = ("add", "random-direction")
    stop: float = 2.0
    """When the intervention ends, seconds from the clip's start."""
    forget: bool = False
    """Let the decoder forget the vector at the stop: it reads the codes again, and remembers only
    the music that the vector made."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.stop >= 2 and self.seconds >= self.stop + 1):
            raise PipelineError(
                f"the intervention stops at {self.stop:g} s of {self.seconds:g} s; there must be "
                "2 s or more before it, and 1 s or more after it"
            )
        if self.schedule or self.when != "all":
            raise PipelineError(
                "horizons have a schedule of their own: full strength up to the stop, then none"
            )
        unfit = [name for name in self.interventions if name in NOT_STOPPED]
        if unfit:
            raise PipelineError(
                f"the intervention {unfit[0]!r} has no vector that could stop, or is made in other "
                "music than the random directions"
            )


NOT_STOPPED = ("prompt", "ablate-asked", "random-ablation")
"""Interventions that have no horizons."""
