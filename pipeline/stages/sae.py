"""Stage `sae`: dictionaries of directions, learnt on the train split.

Input: `activations/`, `corpus.parquet`. Parameters: `[sae]`. Output: `sae/NAME/`, one for each
hookpoint, expansion and k.
"""

from __future__ import annotations

import hashlib
from functools import partial

from pipeline.activation_files import ShardFacts, shard_paths
from pipeline.artifacts import RunDirectory, StageWriter
from pipeline.config import RunConfig
from pipeline.errors import PipelineError
from pipeline.parallel import Advance, run_jobs, torch_threads
from pipeline.progress import Progress
from pipeline.records import TrainingRecord, table_of
from pipeline.sae import checkpoint
from pipeline.sae.frames import TrainingFrames
from pipeline.sae.names import SaeSpec, specs
from pipeline.sae.trainer import TrainedSae, train
from pipeline.stages.activations import usable_tracks


def run(config: RunConfig, directory: RunDirectory, *, progress: Progress) -> None:
    """Train every SAE that the config asks for, side by side; `summary["saes"]` names them."""
    width = int(directory.summary("activations")["subject"]["width"])
    tracks = frozenset(t.track for t in usable_tracks(directory) if t.split == "train")
    wanted = list(specs(config, width))
    with directory.writer("sae") as writer, torch_threads(config.machine):
        progress.start("sae", config.sae.steps * len(wanted), "step")
        jobs = [partial(_train, spec, config, directory, tracks) for spec in wanted]
        trained = run_jobs(jobs, config.machine.workers, progress)
        progress.finish()
        for spec, result in zip(wanted, trained, strict=True):
            _store(spec, result, directory, writer)
            last = result.history[-1]
            progress.note(
                f"{spec.name}: {last.variance_explained:.1%} of the variance explained, "
                f"{last.dead_share:.1%} of {spec.n_latents} latents dead"
            )
        writer.summary["saes"] = [spec.name for spec in wanted]


def _train(
    spec: SaeSpec,
    config: RunConfig,
    directory: RunDirectory,
    tracks: frozenset[str],
    advance: Advance,
) -> TrainedSae:
    return train(
        config.sae,
        TrainingFrames(directory, spec.hookpoint, tracks),
        n_latents=spec.n_latents,
        k=spec.k,
        seed=seed_of(config.sae.seed, spec.name),
        device=config.machine.device,
        advance=advance,
    )


def _store(
    spec: SaeSpec, trained: TrainedSae, directory: RunDirectory, writer: StageWriter
) -> None:
    """Write one SAE with where it belongs, and its history."""
    shard = _any_shard(directory, spec.hookpoint)
    facts = checkpoint.SaeFacts(
        hookpoint=spec.hookpoint,
        subject_fingerprint=shard.subject_fingerprint,
        delay_mapping=shard.delay_mapping,
        frame_rate=shard.frame_rate,
        first_frame=shard.first_frame,
        activation_scale=trained.scale,
        variance_explained=trained.history[-1].variance_explained,
    )
    checkpoint.save(writer, spec.name, trained.sae, facts)
    history = table_of(TrainingRecord, trained.history)
    writer.write_table(f"sae/{spec.name}/training.parquet", history)


def seed_of(seed: int, name: str) -> int:
    """A seed for one SAE, so that its training does not depend on which others a run has."""
    digest = hashlib.sha256(f"{seed}\0{name}".encode()).digest()
    return int.from_bytes(digest[:7], "big")


def _any_shard(directory: RunDirectory, hookpoint: str) -> ShardFacts:
    """Facts of a hookpoint's first activation file; all of its files agree."""
    for path in shard_paths(directory, hookpoint):
        return ShardFacts.from_metadata(directory.read_metadata(path))
    raise PipelineError(f"no activations of {hookpoint} in {directory.path}")
