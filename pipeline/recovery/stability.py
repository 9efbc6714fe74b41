"""Do other seeds find the same features? Decoder cosines between SAEs of different seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from pipeline.config import RunConfig
from pipeline.corpus.tracks import usable_tracks
from pipeline.parallel import Advance, run_jobs, torch_threads
from pipeline.progress import Progress
from pipeline.sae import checkpoint
from pipeline.sae.frames import TrainingFrames
from pipeline.sae.specs import seed_of
from pipeline.sae.trainer import train
from pipeline.store.run_directory import RunDirectory

PARTNER = 0.7
"""Cosine of two decoder directions from which they count as the same feature."""

SEEDS = 2
"""How many other seeds an SAE is compared with."""


@dataclass(frozen=True)
class Stability:
    """One SAE against the same with other seeds."""

    sae: str
    seeds: tuple[int, ...]
    n_kept: int
    kept_with_partner: tuple[float, ...]
    """For each seed, share of the kept features with a partner there."""
    kept_in_all: float
    """Share with a partner under every seed."""
    chance: float
    """The same share for as many random directions, against the first seed."""


def other_seeds(own: int) -> tuple[int, ...]:
    """Seeds to compare a run's SAEs with; its own would only say that training is repeatable."""
    return tuple(seed for seed in range(1, SEEDS + 2) if seed != own)[:SEEDS]


def stability(
    directory: RunDirectory, config: RunConfig, *, seeds: Sequence[int], progress: Progress
) -> list[Stability]:
    """Train every SAE of the run again with each of `seeds` and compare decoders.

    Raises `ValueError` if one is the run's own: it would agree with itself.
    """
    if config.sae.seed in seeds:
        raise ValueError(f"seed {config.sae.seed} is the run's own")
    names = directory.sae_names()
    tracks = frozenset(t.track for t in usable_tracks(directory) if t.split == "train")
    jobs = [
        partial(_decoder, directory, config, name, seed, tracks) for name in names for seed in seeds
    ]
    progress.start("stability", config.sae.steps * len(jobs), "step")
    with torch_threads(config.machine):
        decoders = run_jobs(jobs, config.machine.workers, progress)
    progress.finish()
    others = [decoders[at : at + len(seeds)] for at in range(0, len(decoders), len(seeds))]
    return [
        _compared(directory, name, seeds, of_name)
        for name, of_name in zip(names, others, strict=True)
    ]


def _decoder(
    directory: RunDirectory,
    config: RunConfig,
    name: str,
    seed: int,
    tracks: frozenset[str],
    advance: Advance,
) -> np.ndarray:
    """The decoder [latent, d] of an SAE of the run, trained again with another seed."""
    stored = checkpoint.load(directory, name)
    trained = train(
        replace(config.sae, seed=seed),
        TrainingFrames(directory, stored.facts.hookpoint, tracks),
        n_latents=stored.sae.n_latents,
        k=stored.sae.k,
        seed=seed_of(seed, name),
        device=config.machine.device,
        advance=advance,
    )
    decoder: np.ndarray = trained.sae.W_dec.detach().cpu().numpy()
    return decoder


def _compared(
    directory: RunDirectory, name: str, seeds: Sequence[int], others: Sequence[np.ndarray]
) -> Stability:
    """Kept features of an SAE that have a partner in each of the `others` [latent, d]."""
    stored = checkpoint.load(directory, name)
    rows = directory.read_table(f"features/{name}.parquet").to_pylist()
    kept = np.array([row["index"] for row in rows if row["kept"]], dtype=np.intp)
    directions = stored.sae.W_dec.detach().numpy()[kept]
    partnered = np.stack([has_partner(directions, other) for other in others])
    drawn = np.random.default_rng(0).standard_normal(directions.shape).astype(np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return Stability(
        sae=name,
        seeds=tuple(seeds),
        n_kept=len(kept),
        kept_with_partner=tuple(float(row.mean()) for row in partnered),
        kept_in_all=float(partnered.all(axis=0).mean()),
        chance=float(has_partner(drawn, others[0]).mean()),
    )


def has_partner(directions: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Whether each of `directions` [feature, d] has one among `others` [latent, d] at `PARTNER`."""
    return np.asarray((directions @ others.T).max(axis=1) >= PARTNER)
