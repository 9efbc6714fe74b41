"""Training of a top-k SAE: Adam, AuxK for dead latents, unit-norm decoder.

After Gao et al. (2024), arXiv 2406.04093, section 2 and its appendix on training, and their code
(github.com/openai/sparse_autoencoder), with these deviations:

- Activations are divided once by the RMS of the centred ones, so that learning rate, threshold and
  error mean the same for every subject and hookpoint. Gao et al. divide the loss by the variance
  instead: the same loss, with weights and latents in other units.
- Their code divides AuxK's loss by the energy of the error; ours does not (`_Trainer._aux_loss`).
- The learning rate rises, stays and falls (`schedule`); theirs is constant. Adam has PyTorch's
  eps of 1e-8, theirs 6.25e-10.
- No average of the weights over steps, no clipping of gradients.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.config import SaeConfig
from pipeline.parallel import Advance
from pipeline.sae.frames import TrainingFrames
from pipeline.sae.model import Latents, TopKSae, geometric_median
from pipeline.store.tables import TrainingRecord

CENTRE_FRAMES = 16_384
"""Number of frames from which the start of b_dec and the scale are computed."""
RECORDS = 50
"""Approximate number of rows in the training table."""


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
    generator = torch.Generator().manual_seed(seed)
    # 1) Centre [d] and scale of the raw activations: x is normalised as x / scale.
    sample = frames.sample(CENTRE_FRAMES, generator)
    centre = geometric_median(sample) if config.centre == "geometric_median" else sample.mean(0)
    scale = float((sample - centre).square().mean().sqrt().clamp_min(1e-12))
    # 2) Initialise in normalised units.
    sae = TopKSae(sample.shape[1], n_latents, k)
    sae.initialise(generator, centre / scale)
    # 3) Train on shuffled frames, on `device`.
    trainer = _Trainer(config, sae.to(device))
    batches = frames.batches(config.batch_frames, generator)
    history = list(trainer.run(batches, scale, device, advance))
    return TrainedSae(sae.cpu().requires_grad_(False), scale, history)


class _Trainer:
    """What changes during training: the optimiser, and how long each latent has not fired."""

    def __init__(self, config: SaeConfig, sae: TopKSae) -> None:
        self._config = config
        self._sae = sae
        self._optimiser = torch.optim.Adam(sae.parameters(), lr=config.learning_rate, fused=True)
        self._silent_frames = torch.zeros(sae.n_latents, device=sae.W_dec.device)
        """[n]: frames seen since each latent last fired."""

    def run(
        self, batches: Iterator[Tensor], scale: float, device: str, advance: Advance
    ) -> Iterator[TrainingRecord]:
        """All steps; yields about `RECORDS` records, the last step's among them."""
        every = max(1, self._config.steps // RECORDS)
        for step in range(1, self._config.steps + 1):
            x = next(batches).to(device, torch.float32) / scale
            error = self._step(x, step)
            advance(1)
            if step % every == 0 or step == self._config.steps:
                yield self._record(step, x, error)

    def _step(self, x: Tensor, step: int) -> Tensor:
        """One optimiser step on x [frame, d], normalised; returns the error x − x̂ [frame, d] that
        it began with."""
        for group in self._optimiser.param_groups:
            group["lr"] = self._config.learning_rate * schedule(step, self._config)
        # 1) Forward pass. The pre-activations [frame, n] are kept for AuxK: it ranks dead latents,
        #    whose values TopK has thrown away.
        preactivations = self._sae.preactivations(x)
        latents = self._sae.keep_top(preactivations)
        error = x - self._sae.decode(latents)
        # 2) Which latents are dead, this batch included.
        self._note_firing(latents, len(x))
        # 3) L + α L_aux (Gao et al.), both means over frames and dimensions. AuxK must not change
        #    what the living latents learn, so the error is detached there.
        loss = error.square().mean() + self._aux_loss(preactivations, error.detach())
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        # 4) Keep the rows of W_dec at unit norm: project the gradient, step, then normalise what
        #    Adam's own scaling has still changed.
        self._sae.project_decoder_gradient()
        self._optimiser.step()
        self._sae.normalise_decoder()
        return error.detach()

    def _note_firing(self, latents: Latents, n_frames: int) -> None:
        """Add the batch's frames to every latent's count, then reset those that fired in it."""
        # A boolean index waits for the GPU: its result's size has to be known here.
        self._silent_frames += n_frames
        self._silent_frames[latents.indices[latents.values > 0]] = 0

    @property
    def _dead(self) -> Tensor:
        """[n] bool: not fired in `dead_after_frames` frames (10 million tokens in Gao et al.)."""
        return self._silent_frames > self._config.dead_after_frames

    def _aux_loss(self, preactivations: Tensor, error: Tensor) -> Tensor:
        """AuxK, α ‖e − ê‖² with ê = z_aux W_dec: the k_aux dead latents with the largest
        pre-activations reconstruct the error e = x − x̂ of the living ones, and so get a gradient.

        Gao et al. (2024), section 2.4 and appendix, α = 1/32. Deviations: their code divides this
        loss by the energy of e about its mean, ours does not, so AuxK weighs less as the
        reconstruction improves. Nor is it multiplied by min(1, n_dead / k_aux), a ramp that
        EleutherAI and SAELens added: with few dead latents that would only slow their revival.
        k_aux is a setting here; Gao et al. advise about d / 2.
        """
        # `nonzero` waits for the GPU, once per step: the number of dead latents decides shapes.
        dead = self._dead.nonzero()[:, 0]
        k = min(self._config.aux_k, len(dead))
        if k == 0:
            return error.new_zeros(())
        # Top k_aux among the dead only, [frame, k_aux]; `dead[places]` are their latents' indices.
        values, places = preactivations[:, dead].topk(k, dim=1, sorted=False)
        explained = self._sae.combine(Latents(values.relu(), dead[places]))
        return self._config.aux_weight * (error - explained).square().mean()

    def _record(self, step: int, x: Tensor, error: Tensor) -> TrainingRecord:
        """Figures of one batch, before its step; variance about the batch's own mean."""
        mse = float(error.square().mean())
        variance = float((x - x.mean(dim=0)).square().mean())
        return TrainingRecord(
            step=step,
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
