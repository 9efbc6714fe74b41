"""Which learning rate suits this run: `python -m pipeline run CONFIG.toml --out DIR --sweep`.

Trains the SAEs of the run's first hookpoint at several rates, all of one SAE together on the same
batches, and compares them on validation frames, which none of them learned from. Stores nothing, so
that the choice is written down where it belongs, in the config.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

from pipeline.config import RunConfig
from pipeline.corpus.tracks import usable_tracks
from pipeline.errors import PipelineError
from pipeline.parallel import Advance, run_jobs, torch_threads
from pipeline.progress import Progress
from pipeline.sae.evaluate import HeldOut, evaluate, frames_of_tracks
from pipeline.sae.frames import TrainingFrames
from pipeline.sae.specs import SaeSpec, seed_of, specs
from pipeline.sae.trainer import Wanted, train_together
from pipeline.store.run_directory import RunDirectory

RATES = (5e-4, 1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2)
"""Learning rates that are compared."""


@dataclass(frozen=True)
class Tried:
    """One SAE at one rate."""

    sae: str
    rate: float
    held_out: HeldOut


def sweep(config: RunConfig, directory: RunDirectory, *, progress: Progress) -> list[Tried]:
    """Figures on validation frames for every SAE of the first hookpoint and every rate.

    The run's activations must be there. Raises `PipelineError` if there are no validation frames.
    """
    if config.sae.checkpoint:
        raise PipelineError("[sae] checkpoint: nothing is trained, so there is no rate to choose")
    width = int(directory.summary("activations")["subject"]["width"])
    first = config.subject.hookpoints[0]
    wanted = [spec for spec in specs(config, width) if spec.hookpoint == first]
    usable = usable_tracks(directory)
    tracks, held_out = (
        frozenset(track.track for track in usable if track.split == split)
        for split in ("train", "validation")
    )
    if not held_out:  # Said before the training and not after it.
        raise PipelineError("there are no validation tracks to compare learning rates on")
    progress.start("sweep", config.sae.steps * len(wanted) * len(RATES), "step")
    with directory.lock(), torch_threads(config.machine):
        jobs = [partial(_tried, spec, config, directory, tracks, held_out) for spec in wanted]
        found = run_jobs(jobs, config.machine.workers, progress)
    progress.finish()
    return list(chain.from_iterable(found))


def _tried(
    spec: SaeSpec,
    config: RunConfig,
    directory: RunDirectory,
    tracks: frozenset[str],
    held_out: frozenset[str],
    advance: Advance,
) -> list[Tried]:
    seed = seed_of(config.sae.seed, spec.name)
    trained = train_together(
        [
            Wanted(replace(config.sae, learning_rate=rate), spec.n_latents, spec.k, seed)
            for rate in RATES
        ],
        TrainingFrames(directory, spec.hookpoint, tracks),
        order_seed=seed, device=config.machine.device, advance=advance,
    )  # fmt: skip
    found = []
    for rate, one in zip(RATES, trained, strict=True):
        frames = frames_of_tracks(directory, spec.hookpoint, held_out)
        figures = evaluate(one.sae, frames, scale=one.scale)
        if figures is None:
            raise PipelineError("there are no validation frames to compare learning rates on")
        found.append(Tried(spec.name, rate, figures))
    return found


def lines(tried: Sequence[Tried]) -> list[str]:
    """The table as text, the rate of the smallest FVU of each SAE marked."""
    best = {one.sae: one for one in sorted(tried, key=lambda one: -one.held_out.fvu)}
    found = [f"  {'SAE':24} {'learning_rate':>13} {'FVU':>7} {'L0':>6} {'dead':>6} {'dense':>6}"]
    for one in tried:
        mark = "*" if one is best[one.sae] else " "
        figures = one.held_out
        found.append(
            f"{mark} {one.sae:24} {one.rate:13g} {figures.fvu:7.4f} {figures.l0:6.2f} "
            f"{figures.dead_share:6.1%} {figures.dense_share:6.1%}"
        )
    return [*found, "* smallest FVU on validation frames; set it as [sae] learning_rate"]
