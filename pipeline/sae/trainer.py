"""Training of SAEs: Adam, AuxK for dead latents, unit-norm decoder.

After Gao et al. (2024), arXiv 2406.04093, section 2 and its appendix on training, and their code
(github.com/openai/sparse_autoencoder), with these deviations:

- Activations are divided once by the RMS of the centred ones, so that learning rate, threshold and
  error mean the same for every subject and hookpoint. Gao et al. divide the loss by the variance
  instead: the same loss, with weights and latents in other units.
- Their code divides AuxK's loss by the energy of the error; ours does not (`Training._aux_loss`).
- The learning rate rises, stays and falls (`schedule`); theirs is constant, and falls with the
  square root of n: see `pipeline.sae.rates`. Adam has PyTorch's eps of 1e-8, theirs 6.25e-10.
- No average of the weights over steps; no clipping of gradients unless the config asks for it.

Which latents fire is decided by `pipeline.sae.variants`, and how the products are computed by
`pipeline.sae.kernels`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.config import SaeConfig
from pipeline.parallel import Advance
from pipeline.sae.evaluate import FRAMES_AT_ONCE
from pipeline.sae.frames import Batches, Position, TrainingFrames
from pipeline.sae.kernels import kernel_of
from pipeline.sae.kernels.base import Encoder, Kernel
from pipeline.sae.kernels.dense import DENSE_SHARE, Dense
from pipeline.sae.model import Latents, TopKSae, geometric_median
from pipeline.sae.ranks import ALONE, Ranks
from pipeline.sae.rates import rate_of
from pipeline.sae.snapshots import NoSnapshots, Snapshots, shared
from pipeline.sae.variants import variant_of
from pipeline.store.tables import TrainingRecord

CENTRE_FRAMES = 16_384
"""Number of frames from which the start of b_dec and the scale are computed."""
START_FRAMES = 4096
"""How many of these a variant and the encoder's scale start from."""
RECORDS = 50
"""Approximate number of rows in the training table."""


@dataclass(frozen=True)
class Wanted:
    """One SAE to train."""

    config: SaeConfig
    n_latents: int
    k: int
    seed: int
    """Of its initial weights; and of the order of the frames, if it is trained alone."""
    snapshots: Snapshots = field(default_factory=NoSnapshots)


@dataclass(frozen=True)
class TrainedSae:
    """A trained SAE, in normalised units, and how it came to be."""

    sae: TopKSae
    scale: float
    """RMS of the centred activations over frames and dimensions: a raw activation is a normalised
    one times this."""
    history: list[TrainingRecord]


def train(
    config: SaeConfig,
    frames: TrainingFrames,
    *,
    n_latents: int,
    k: int,
    seed: int,
    device: str,
    advance: Advance,
) -> TrainedSae:
    """Train one SAE for `config.steps` steps, calling `advance(1)` after each.

    Deterministic for a seed and a number of threads.
    """
    return train_alone(Wanted(config, n_latents, k, seed), frames, device=device, advance=advance)


def train_alone(
    wanted: Wanted,
    frames: TrainingFrames,
    *,
    device: str,
    advance: Advance,
    ranks: Ranks = ALONE,
) -> TrainedSae:
    """Train one SAE, whose seed also orders the frames; the same weights, to the bit, if it was
    interrupted and continues from a snapshot with as many processes."""
    generator = torch.Generator().manual_seed(wanted.seed)
    return _train([wanted], [generator], generator, frames, device, advance, ranks)[0]


def train_together(
    wanted: Sequence[Wanted],
    frames: TrainingFrames,
    *,
    order_seed: int,
    device: str,
    advance: Advance,
    ranks: Ranks = ALONE,
) -> list[TrainedSae]:
    """Train SAEs of equal `batch_frames`, `steps` and `centre` on the same batches, read once.

    Each gets the weights, to the bit, that it gets if it is the only one of `wanted`.
    """
    generators = [torch.Generator().manual_seed(one.seed) for one in wanted]
    order = torch.Generator().manual_seed(order_seed)
    return _train(wanted, generators, order, frames, device, advance, ranks)


def _train(
    wanted: Sequence[Wanted],
    generators: Sequence[torch.Generator],
    order: torch.Generator,
    frames: TrainingFrames,
    device: str,
    advance: Advance,
    ranks: Ranks,
) -> list[TrainedSae]:
    config = wanted[0].config
    # 1) Centre [d] and scale of the raw activations: x is normalised as x / scale.
    sample = frames.sample(CENTRE_FRAMES, order)
    centre = geometric_median(sample) if config.centre == "geometric_median" else sample.mean(0)
    scale = ranks.agreed(float((sample - centre).square().mean().sqrt().clamp_min(1e-12)))
    # 2) Initialise in normalised units, or continue from a snapshot.
    trainings = []
    for one, generator in zip(wanted, generators, strict=True):
        sae = start(one, generator, sample / scale, centre / scale)
        trainings.append(Training(one, sae.to(device), ranks))
    positions = [training.resume() for training in trainings]
    first = min(range(len(trainings)), key=lambda place: trainings[place].step)
    advance(sum(training.step for training in trainings))
    # 3) Train on shuffled frames, on `device`.
    batches = frames.batches(config.batch_frames, order, positions[first], ranks)
    for step in range(trainings[first].step + 1, config.steps + 1):
        x = next(batches).to(device, torch.float32) / scale
        for training in trainings:
            if training.step < step:
                training.advance(x, batches)
                advance(1)
    return [training.finished(sample / scale, scale) for training in trainings]


def start(wanted: Wanted, generator: torch.Generator, sample: Tensor, centre: Tensor) -> TopKSae:
    """An SAE before its first step; `sample` [frame, d] and their `centre` [d] are normalised."""
    variant = variant_of(wanted.config.variant, wanted.k, wanted.n_latents)
    sae = variant.sae(sample.shape[1])
    sae.initialise(generator, centre)
    first = sample[:START_FRAMES]
    if wanted.config.scaled_start:
        sae.fit_scale(torch.split(first, FRAMES_AT_ONCE))
    variant.begin(sae, first)
    return sae


class Training:
    """One SAE in training: its weights, its optimiser, and how long each latent has not fired.

    Each process of `ranks` has one of it, all with the same state.
    """

    def __init__(self, wanted: Wanted, sae: TopKSae, ranks: Ranks = ALONE) -> None:
        self.step = 0
        """Steps done."""
        self._wanted, self._config, self._sae = wanted, wanted.config, sae
        self._ranks = ranks
        self._rate = rate_of(self._config, sae.n_latents)
        self._kernel = kernel_of(self._config.kernel, str(sae.W_dec.device))
        self._variant = variant_of(self._config.variant, sae.k, sae.n_latents)
        self._optimiser = torch.optim.Adam(sae.parameters(), lr=self._rate, fused=True)
        self._silent_frames = torch.zeros(sae.n_latents, device=sae.W_dec.device)
        """[n]: frames seen since each latent last fired."""
        self._history: list[TrainingRecord] = []

    def resume(self) -> Position | None:
        """Continue from the newest snapshot, if there is one; returns where its batches were."""
        parts = self._sae, self._optimiser, self._silent_frames
        found = self._wanted.snapshots.load(*parts) if self._ranks.first else None
        found = shared(found, *parts, self._ranks)
        if found is None:
            return None
        self.step, self._history = found.step, found.history
        return found.position

    def advance(self, x: Tensor, batches: Batches) -> None:
        """One step on x [frame, d], normalised, this process's share of the newest of `batches`;
        about `RECORDS` of the steps are recorded, the last among them."""
        self.step += 1
        error, share = self._step(x)
        last = self.step == self._config.steps
        if last or self.step % max(1, self._config.steps // RECORDS) == 0:
            self._history.append(self._record(x, error, share))
        if self._ranks.first and self._wanted.snapshots.due(self.step, last=last):
            self._wanted.snapshots.save(
                self._sae, self._optimiser, self._silent_frames,
                step=self.step, position=batches.position, history=self._history,
            )  # fmt: skip

    def finished(self, sample: Tensor, scale: float) -> TrainedSae:
        """The SAE as it is stored; `sample` [frame, d] are train frames, normalised."""
        sae = self._sae.cpu().requires_grad_(False)
        sae = self._variant.finished(sae, sample).requires_grad_(False)
        return TrainedSae(sae, scale, self._history)

    def _step(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """One optimiser step; returns the error x − x̂ [frame, d] that it began with, and which
        share of the batch's frames these are."""
        for group in self._optimiser.param_groups:
            group["lr"] = self._rate * schedule(self.step, self._config)
        # 1) Forward pass. The scores [frame, n] are kept for AuxK: it ranks dead latents, whose
        #    values TopK has thrown away.
        encoder = self._variant.encoder(self._sae)
        scores = self._kernel.scores(encoder, x)
        found = self._kernel.top(encoder, x, scores, self._variant.candidates)
        latents, penalty = self._variant.fire(self._sae, found, self._ranks)
        reconstructions = self._reconstructions(latents)
        # 2) Which latents are dead, this batch included.
        share = len(x) / self._note_firing(latents, len(x))
        # 3) L + α L_aux (Gao et al.), means over frames and dimensions, and over the prefixes of a
        #    Matryoshka SAE. AuxK must not change what the living latents learn, so the errors are
        #    detached. Nobody asks for the value of L: its gradient, −2 (x − x̂), is all it takes.
        #    Weighted by their share, the gradients of all processes add up to the batch's.
        errors = [x - each.detach() for each in reconstructions]
        gradients = [each * (-2 / (x.numel() * len(errors)) * share) for each in errors]
        besides = penalty + self._aux_loss(x, scores, encoder, errors[-1]) * share
        ends = [*reconstructions, besides] if besides.requires_grad else reconstructions
        self._optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(ends, [*gradients, None][: len(ends)])
        for weight in self._sae.parameters():
            if weight.grad is not None:
                self._ranks.total(weight.grad)
        # 4) Keep the rows of W_dec at unit norm: project the gradient, step, then normalise what
        #    Adam's own scaling has still changed.
        self._sae.project_decoder_gradient()
        if self._config.clip_norm:
            torch.nn.utils.clip_grad_norm_(self._sae.parameters(), self._config.clip_norm)
        self._optimiser.step()
        self._sae.normalise_decoder()
        return errors[-1], share

    def _reconstructions(self, latents: Latents) -> list[Tensor]:
        """x̂, [frame, d], by the latents of each prefix, all of them last."""
        widths = [round(share * self._sae.n_latents) for share in self._config.prefixes]
        found: list[Tensor] = []
        low, reconstruction = 0, torch.as_tensor(self._sae.b_dec)
        for high in (*widths, self._sae.n_latents):
            # Each prefix adds its own part of the sum to that of the one before.
            inside = (latents.indices >= low) & (latents.indices < high) if widths else 1.0
            part = Latents(latents.values * inside, latents.indices)
            reconstruction = reconstruction + self._kernel.combine(part, self._sae.W_dec)
            found.append(reconstruction)
            low = high
        return found

    def _note_firing(self, latents: Latents, n_frames: int) -> Tensor:
        """Add the batch's frames to every latent's count, then reset those that fired in it;
        returns how many frames all processes have of the batch."""
        # By latent: in how many processes it fired; last: the number of frames.
        seen = self._silent_frames.new_zeros(len(self._silent_frames) + 1)
        # A boolean index waits for the GPU: its result's size has to be known here.
        seen[latents.indices[latents.values > 0]] = 1
        seen[-1] = n_frames
        seen = self._ranks.total(seen)
        self._silent_frames += seen[-1]
        self._silent_frames[seen[:-1] > 0] = 0
        return seen[-1]

    @property
    def _dead(self) -> Tensor:
        """[n] bool: not fired in `dead_after_frames` frames (10 million tokens in Gao et al.)."""
        return self._silent_frames > self._config.dead_after_frames

    def _aux_loss(self, x: Tensor, scores: Tensor, ranking: Encoder, error: Tensor) -> Tensor:
        """AuxK, α ‖e − ê‖² with ê = z_aux W_dec: the k_aux dead latents with the largest
        pre-activations reconstruct the error e = x − x̂ of the living ones, and so get a gradient.

        Gao et al. (2024), section 2.4 and appendix, α = 1/32. Deviations: their code divides this
        loss by the energy of e about its mean, ours does not, so AuxK weighs less as the
        reconstruction improves. Nor is it multiplied by min(1, n_dead / k_aux), a ramp that
        EleutherAI and SAELens added: with few dead latents that would only slow their revival.
        k_aux is a setting here; Gao et al. advise about d / 2, at which a step with a quarter of
        4,096 latents dead takes twice as long as with 64.
        """
        # `nonzero` waits for the GPU, once per step: the number of dead latents decides shapes.
        dead = self._dead.nonzero()[:, 0]
        k = min(self._config.aux_k, len(dead))
        if k == 0:
            return error.new_zeros(())
        # An SAE of the dead latents only, whose top k_aux fire; indices are places in `dead`.
        encoder = Encoder.of(self._sae, dead)
        if k >= DENSE_SHARE * len(dead):
            kernel: Kernel = Dense()
            ranked = kernel.scores(encoder, x)
        else:
            kernel, ranked = self._kernel, scores.index_select(1, dead)
            # Without what the variant has added to the biases.
            ranked = ranked + (self._sae.b_enc - ranking.b_enc).detach()[dead]
        latents = kernel.top(encoder, x, ranked, k)
        explained = kernel.combine(latents, self._sae.W_dec.index_select(0, dead))
        return self._config.aux_weight * F.mse_loss(explained, error)

    def _record(self, x: Tensor, error: Tensor, share: Tensor) -> TrainingRecord:
        """Figures of one batch, before its step; variance about the batch's own mean. A process
        weighs by its `share` of the frames."""
        mse = float(self._ranks.total(error.square().mean() * share))
        mean = self._ranks.total(x.mean(dim=0) * share)
        variance = float(self._ranks.total((x - mean).square().mean() * share))
        return TrainingRecord(
            step=self.step,
            batch_mse=mse,
            batch_variance_explained=1.0 - mse / max(variance, 1e-12),
            dead_share=float(self._dead.float().mean()),
        )


def schedule(step: int, config: SaeConfig) -> float:
    """Factor of the learning rate at `step` (from 1): linear rise, plateau, linear fall.

    The last step has 1 / (steps of the fall), not 0, so that it still has an effect.
    """
    rise = config.warmup_share * config.steps
    fall = config.decay_share * config.steps
    left = config.steps - step + 1
    return min(1.0, step / rise if rise else 1.0, left / fall if fall else 1.0)
