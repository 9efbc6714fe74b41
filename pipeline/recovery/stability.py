"""Do other seeds find the same features? Decoder cosines between SAEs of different seeds.

For each kept feature j the largest cosine of its direction with any direction of another SAE, max_i
W_dec[j]·W_dec'[i] (the maximum cosine similarity of Sharkey et al., 2022, and Cunningham et al.,
2023, arXiv 2309.08600); at `PARTNER` or more, the feature counts as found again.
"""

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
"""Cosine from which two decoder directions count as the same feature."""

SEEDS = 2
"""Number of other seeds that an SAE is compared with."""


@dataclass(frozen=True)
class Stability:
    """One SAE compared with the same SAE trained with other seeds."""

    sae: str
    seeds: tuple[int, ...]
    n_kept: int
    kept_with_partner: tuple[float, ...]
    """For each seed, the share of the kept features with a partner there."""
    kept_in_all: float
    """Share of the kept features with a partner under every seed."""
    chance: float
    """Share of as many random directions with a partner under the first seed."""


def other_seeds(own: int) -> tuple[int, ...]:
    """Seeds to compare a run's SAEs with, not its own: that would only show that training is
    deterministic."""
    return tuple(seed for seed in range(1, SEEDS + 2) if seed != own)[:SEEDS]


def stability(
    directory: RunDirectory, config: RunConfig, *, seeds: Sequence[int], progress: Progress
) -> list[Stability]:
    """Train every SAE of the run again with each of `seeds` and compare decoders.

    Raises `ValueError` if one of them is the run's own.
    """
    if config.sae.seed in seeds:
        raise ValueError(f"seed {config.sae.seed} is the run's own")
    # 1) Every SAE again with every seed, as parallel jobs on the same train tracks.
    names = directory.sae_names()
    tracks = frozenset(t.track for t in usable_tracks(directory) if t.split == "train")
    jobs = [
        partial(_decoder, directory, config, name, seed, tracks) for name in names for seed in seeds
    ]
    progress.start("stability", config.sae.steps * len(jobs), "step")
    with torch_threads(config.machine):
        decoders = run_jobs(jobs, config.machine.workers, progress)
    progress.finish()
    # 2) Jobs are ordered by SAE, then seed: decoders of one SAE are consecutive.
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
    """W_dec [n, d] of an SAE of the run, trained again with another seed."""
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
    """Kept features of an SAE that have a partner in each of `others`, W_dec [n, d] each."""
    stored = checkpoint.load(directory, name)
    rows = directory.read_table(f"features/{name}.parquet").to_pylist()
    kept = np.array([row["index"] for row in rows if row["kept"]], dtype=np.intp)
    directions = stored.sae.W_dec.detach().numpy()[kept]
    # [seed, feature] bool.
    partnered = np.stack([has_partner(directions, other) for other in others])
    # Chance: unit vectors uniform on the sphere.
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
    """Whether the largest cosine of each of `directions` [feature, d] with `others` [n, d] is at
    least `PARTNER`, [feature] bool; rows of both have unit norm."""
    return np.asarray((directions @ others.T).max(axis=1) >= PARTNER)
