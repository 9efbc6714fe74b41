"""Training of a top-k SAE: Adam, AuxK for dead latents, unit-norm decoder.

Activations are divided by the RMS of the centred ones, so that learning rate, threshold and
error mean the same for every subject and hookpoint. Source: Gao et al., arXiv 2406.04093.
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
"""Frames from which centre and scale are taken."""
RECORDS = 50
"""Rows of the training table."""


@dataclass(frozen=True)
class TrainedSae:
    """A trained SAE, in normalised units, and how it came to be."""

    sae: TopKSae
    scale: float
    """RMS of the centred activations: a raw activation is a normalised one times this."""
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
    sample = frames.sample(CENTRE_FRAMES, generator)
    centre = geometric_median(sample) if config.centre == "geometric_median" else sample.mean(0)
    scale = float((sample - centre).square().mean().sqrt().clamp_min(1e-12))
    sae = TopKSae(sample.shape[1], n_latents, k)
    sae.initialise(generator, centre / scale)
    trainer = _Trainer(config, sae.to(device))
    batches = frames.batches(config.batch_frames, generator)
    history = list(trainer.run(batches, scale, device, advance))
    return TrainedSae(sae.cpu().requires_grad_(False), scale, history)


class _Trainer:
    """The state of a training: optimiser and how long each latent has been silent."""

    def __init__(self, config: SaeConfig, sae: TopKSae) -> None:
        self._config = config
        self._sae = sae
        self._optimiser = torch.optim.Adam(sae.parameters(), lr=config.learning_rate, fused=True)
        self._silent_frames = torch.zeros(sae.n_latents, device=sae.decoder.device)

    def run(
        self, batches: Iterator[Tensor], scale: float, device: str, advance: Advance
    ) -> Iterator[TrainingRecord]:
        """All steps; a record every so many."""
        every = max(1, self._config.steps // RECORDS)
        for step in range(1, self._config.steps + 1):
            x = next(batches).to(device, torch.float32) / scale
            error = self._step(x, step)
            advance(1)
            if step % every == 0 or step == self._config.steps:
                yield self._record(step, x, error)

    def _step(self, x: Tensor, step: int) -> Tensor:
        """One optimiser step; the error x − x̂ [frame, d] before it."""
        for group in self._optimiser.param_groups:
            group["lr"] = self._config.learning_rate * schedule(step, self._config)
        preactivations = self._sae.preactivations(x)
        latents = self._sae.keep_top(preactivations)
        error = x - self._sae.decode(latents)
        self._note_firing(latents, len(x))
        loss = error.square().mean() + self._aux_loss(preactivations, error.detach())
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._sae.project_decoder_gradient()
        self._optimiser.step()
        self._sae.normalise_decoder()
        return error.detach()

    def _note_firing(self, latents: Latents, n_frames: int) -> None:
        self._silent_frames += n_frames
        self._silent_frames[latents.indices[latents.values > 0]] = 0

    @property
    def _dead(self) -> Tensor:
        return self._silent_frames > self._config.dead_after_frames

    def _aux_loss(self, preactivations: Tensor, error: Tensor) -> Tensor:
        """AuxK: the strongest dead latents should explain what the living ones left over."""
        dead = self._dead.nonzero()[:, 0]
        k = min(self._config.aux_k, len(dead))
        if k == 0:
            return error.new_zeros(())
        values, places = preactivations[:, dead].topk(k, dim=1, sorted=False)
        explained = self._sae.combine(Latents(values.relu(), dead[places]))
        return self._config.aux_weight * (error - explained).square().mean()

    def _record(self, step: int, x: Tensor, error: Tensor) -> TrainingRecord:
        mse = float(error.square().mean())
        variance = float((x - x.mean(dim=0)).square().mean())
        return TrainingRecord(
            step=step,
            batch_mse=mse,
            batch_variance_explained=1.0 - mse / max(variance, 1e-12),
            dead_share=float(self._dead.float().mean()),
        )


def schedule(step: int, config: SaeConfig) -> float:
    """Factor of the learning rate at `step` (from 1): linear rise, plateau, linear fall to 0."""
    rise = config.warmup_share * config.steps
    fall = config.decay_share * config.steps
    left = config.steps - step + 1
    return min(1.0, step / rise if rise else 1.0, left / fall if fall else 1.0)
