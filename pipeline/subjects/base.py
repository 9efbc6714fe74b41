"""What a subject model's backend does, and the conventions that all backends follow.

A *hookpoint* is `decoder.layers.BLOCK.SITE`: blocks are counted from 0; `resid_pre` is the input of
the block, `resid_post` its output. Both are the residual stream [batch, step, d].

In audiocraft's names these are input and output of `lm.transformer.layers[BLOCK]`, in transformers'
of `decoder.model.decoder.layers[BLOCK]`; transformers' own `hidden_states[i]` is
`decoder.layers.i.resid_pre`, but its last entry has passed the final LayerNorm.

*Delay pattern* (Copet et al., MusicGen, arXiv 2306.05284, section 2.2). With K codebooks, q from 0
to K − 1, step s of the decoder's input holds codebook q of audio frame s − 1 − q; step 0 holds
special tokens only. The output of a block at step s is assigned to frame s − 1, the newest that it
has seen. The first K − 1 frames still have special tokens in the higher codebooks, which is why
`SubjectFacts.first_full_frame` is K − 1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

from pipeline.config.sections import parse_hookpoint
from pipeline.errors import PipelineError

if TYPE_CHECKING:
    import torch

    from pipeline.config import SubjectConfig

DELAY_MAPPING = "frame=step-1"
"""Name of the mapping above, stored with every activation file and every SAE."""


@dataclass(frozen=True)
class SubjectFacts:
    """What later stages need to know of a subject without loading it."""

    fingerprint: str
    """Hash of weights and config, and of what a control changed in them."""
    sample_rate: int
    """Sample rate of the audio that `encode` takes, Hz."""
    frame_rate: float
    """Audio frames per second."""
    n_codebooks: int
    n_blocks: int
    width: int
    """Dimensions of the residual stream."""
    codec_width: int
    """Dimensions of the codec's latents."""

    @property
    def frame_samples(self) -> int:
        """Samples per frame."""
        return round(self.sample_rate / self.frame_rate)

    @property
    def first_full_frame(self) -> int:
        """The first frame whose step holds no special token."""
        return self.n_codebooks - 1


Replacement = Callable[["torch.Tensor"], "torch.Tensor"]
"""Another stream for the stream [frame, d] at a hookpoint, float32 both."""

HALVES = ("both", "conditional", "unconditional")
"""Which half of the batch an intervention changes under classifier-free guidance."""
WHEN = ("all", "prefill", "decode")
"""In which steps an intervention acts: `prefill` is the first, whose input holds special tokens
only, `decode` all that follow."""


@dataclass(frozen=True)
class SteeringVector:
    """A direction in the residual stream of one subject at one hookpoint."""

    direction: torch.Tensor
    """[d] float32."""
    hookpoint: str
    subject_fingerprint: str
    delay_mapping: str = DELAY_MAPPING

    def __post_init__(self) -> None:
        parse_hookpoint(self.hookpoint)


@dataclass(frozen=True)
class Target:
    """A value that a latent is moved towards, in place of a vector of fixed length."""

    latents: Callable[[torch.Tensor], torch.Tensor] = field(repr=False)
    """All latents [frame, latent] of the stream [frame, d]."""
    index: int
    value: float
    """In raw units of the stream; 0 takes the latent out."""


@dataclass(frozen=True)
class Intervention:
    """x' = x + strength · w(t) · a(x) · direction at the vector's hookpoint, in the steps `when`.

    Without a target a(x) = 1: Singh, Cherep and Maes, arXiv 2505.18186, with strength = α β. With a
    target v for latent j, a(x) = v − z_j(x): strength 1 sets what latent j writes to v · direction,
    and leaves everything else in x as it is, the SAE's reconstruction error included; v = 0 is an
    ablation. A target reads the stream as it is before any change at its hookpoint.

    w(t) is linear between the points (seconds, weight) of `schedule` and constant before the first
    and after the last; without points it is 1.

    Every step includes the first, which holds special tokens only: generation starts from nothing,
    so there is no audio prompt to leave out. Under classifier-free guidance with scale γ each step
    is computed twice and the logits are l_uncond + γ (l_cond − l_uncond). `both` changes both
    halves, so that to first order the guided logits move as they would without guidance.
    `conditional` changes the half of l_cond only, which multiplies its effect by γ, and
    `unconditional` the other, which multiplies it by 1 − γ. Without guidance there is one half,
    which all three change.
    """

    vector: SteeringVector
    strength: float = 1.0
    """α β of the paper, or the share of the way to the target; 0 changes no token."""
    halves: str = "both"
    target: Target | None = None
    when: str = "all"
    schedule: tuple[tuple[float, float], ...] = ()
    """Points (seconds, weight), by increasing time."""

    def __post_init__(self) -> None:
        for name, value, known in (("halves", self.halves, HALVES), ("when", self.when, WHEN)):
            if value not in known:
                raise PipelineError(f"{name} is {value!r}; known: {', '.join(known)}")
        times = [seconds for seconds, _ in self.schedule]
        if times != sorted(set(times)):
            raise PipelineError(
                f"schedule has the times {times} s; each must be later than the one before"
            )

    def weight(self, step: int, frame_rate: float) -> float:
        """w at a step of the decoder: step s is where frame s is about to be sampled."""
        if self.when != "all" and (self.when == "prefill") != (step == 0):
            return 0.0
        return _interpolated(self.schedule, step / frame_rate) if self.schedule else 1.0


def _interpolated(points: Sequence[tuple[float, float]], at: float) -> float:
    """Linear between points (x, y) of increasing x, constant outside."""
    if at <= points[0][0]:
        return points[0][1]
    for (left, low), (right, high) in pairwise(points):
        if at <= right:
            return low + (high - low) * (at - left) / (right - left)
    return points[-1][1]


@dataclass(frozen=True)
class Request:
    """One clip to generate."""

    prompt: str
    """Empty for unconditional music."""
    seed: int
    interventions: tuple[Intervention, ...] = ()
    forget_at: int = 0
    """The step from which the decoder no longer remembers what interventions did before: keys and
    values of all earlier steps are computed again from the codes, under what acts in this step. 0
    keeps them. Without interventions no token changes."""


@dataclass(frozen=True)
class Sampling:
    """How the next code is sampled; the defaults are MusicGen's own."""

    guidance: float = 3.0
    """Scale γ of classifier-free guidance; 1 is no guidance."""
    top_k: int = 250
    """Number of most likely codes that are sampled from; 1 always takes the most likely."""
    temperature: float = 1.0


DEFAULT_SAMPLING = Sampling()


@dataclass(frozen=True)
class Generated:
    """What a subject generated."""

    audio: torch.Tensor
    """[sample] float32, mono, at the subject's sample rate."""
    codes: torch.Tensor = field(repr=False)
    """[codebook, frame] int64: the codes that were sampled, the delay pattern undone."""


def standin_fingerprint(fingerprint: str, control: str) -> str:
    """The fingerprint of a control's stand-in for a subject: never the subject's own."""
    return hashlib.sha256(f"{fingerprint}\0{control}".encode()).hexdigest()


class ActivationSource(Protocol):
    """What the stage `activations` needs of a subject, or of a control's stand-in for one."""

    facts: SubjectFacts

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Codes [batch, codebook, frame] of mono audio [batch, sample]."""

    def activations(
        self, codes: torch.Tensor, hookpoints: Sequence[str]
    ) -> dict[str, torch.Tensor]:
        """Vectors [batch, frame, d] float32 at each hookpoint, for what `encode` returned."""


class Subject(Protocol):
    """A frozen generator, loaded."""

    facts: SubjectFacts

    def __init__(self, config: SubjectConfig, *, device: str = "cpu") -> None:
        """Load the model; raises `PipelineError` if it cannot be loaded."""

    @staticmethod
    def fingerprint_of(config: SubjectConfig) -> str:
        """`facts.fingerprint` without loading the model."""

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Codes [batch, codebook, frame] of mono audio [batch, sample]."""

    def activations(
        self, codes: torch.Tensor, hookpoints: Sequence[str]
    ) -> dict[str, torch.Tensor]:
        """Unconditional residual stream [batch, frame, d] at each hookpoint, for codes
        [batch, codebook, frame]; float32; blocks after the deepest hookpoint are not computed."""

    def code_losses(
        self, codes: torch.Tensor, hookpoint: str | None = None, put: Replacement | None = None
    ) -> torch.Tensor:
        """Mean cross-entropy of the next code in nats, per codebook [codebook] float64, for codes
        [batch, codebook, frame]; with `put`, after that was put in the stream's place at the
        hookpoint. Both concern only steps that hold no special token, see `subjects.losses`."""

    def steered_logits(
        self, codes: torch.Tensor, rows: Sequence[Sequence[Intervention]]
    ) -> torch.Tensor:
        """Logits [row, codebook, step, card] float32 of the next codes, on the CPU, for codes [row,
        codebook, frame] with the interventions of each row; unconditional, without steps that hold
        special tokens."""

    def codec_latents(self, codes: torch.Tensor) -> torch.Tensor:
        """The input of the codec's decoder for codes [batch, codebook, frame]: Σ_q e_q[code_q], the
        sum of their codebook vectors (residual vector quantisation: Défossez et al., EnCodec, arXiv
        2210.13438), [batch, frame, d] float32, on the CPU."""

    def play(self, codes: torch.Tensor) -> torch.Tensor:
        """Audio [row, sample] float32 of codes [row, codebook, frame], on the CPU."""

    def generate(
        self,
        prompt: str,
        seconds: float,
        seed: int,
        interventions: Sequence[Intervention] = (),
        *,
        sampling: Sampling = DEFAULT_SAMPLING,
    ) -> Generated:
        """Music for a prompt; with an empty prompt, unconditional music.

        Raises `PipelineError` if an intervention has a different subject or delay mapping, or if
        the subject has no text encoder for its prompt.
        """

    def generate_many(
        self,
        requests: Sequence[Request],
        seconds: float,
        *,
        sampling: Sampling = DEFAULT_SAMPLING,
        rows: int | None = None,
    ) -> list[Generated]:
        """The clips of all requests, in their order, `rows` at a time; each is what `generate`
        makes of it alone. Another number of rows rounds differently, see `subjects.decoding`."""
