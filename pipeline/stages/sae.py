"""Stage `sae`: trains the sparse autoencoders on the train split.

Input: `activations/`, `corpus.parquet`. Parameters: `[sae]`. Output: `sae/NAME/`, one per
hookpoint, expansion and k. Each is evaluated on the validation split, see `pipeline.sae.evaluate`.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

from pipeline.config import RunConfig
from pipeline.corpus.tracks import usable_tracks
from pipeline.errors import PipelineError
from pipeline.parallel import Advance, run_jobs, torch_threads
from pipeline.progress import Progress
from pipeline.sae import checkpoint
from pipeline.sae.evaluate import HeldOut, evaluate, frames_of_tracks
from pipeline.sae.frames import TrainingFrames
from pipeline.sae.specs import SaeSpec, seed_of, specs
from pipeline.sae.trainer import TrainedSae, train
from pipeline.store.activations import ShardFacts, shard_paths
from pipeline.store.run_directory import RunDirectory, StageWriter
from pipeline.store.tables import TrainingRecord, table_of


def run(config: RunConfig, directory: RunDirectory, *, progress: Progress) -> None:
    """Train all SAEs of the config in parallel; `summary["saes"]` lists their names and
    `summary["validation"]` their figures on validation frames."""
    width = int(directory.summary("activations")["subject"]["width"])
    usable = usable_tracks(directory)
    tracks, held_out = (
        frozenset(track.track for track in usable if track.split == split)
        for split in ("train", "validation")
    )
    wanted = list(specs(config, width))
    with directory.writer("sae") as writer, torch_threads(config.machine):
        progress.start("sae", config.sae.steps * len(wanted), "step")
        jobs = [partial(_train, spec, config, directory, tracks, held_out) for spec in wanted]
        trained = run_jobs(jobs, config.machine.workers, progress)
        progress.finish()
        writer.summary.update(saes=[spec.name for spec in wanted], validation={})
        for spec, (result, figures) in zip(wanted, trained, strict=True):
            _store(spec, result, figures, directory, writer)
            if figures is not None:
                writer.summary["validation"][spec.name] = asdict(figures)
            progress.note(f"{spec.name}: {_in_words(spec, result, figures)}")


def _train(
    spec: SaeSpec,
    config: RunConfig,
    directory: RunDirectory,
    tracks: frozenset[str],
    held_out: frozenset[str],
    advance: Advance,
) -> tuple[TrainedSae, HeldOut | None]:
    """A trained SAE, and its figures on validation frames (None if there are none)."""
    trained = train(
        config.sae,
        TrainingFrames(directory, spec.hookpoint, tracks),
        n_latents=spec.n_latents,
        k=spec.k,
        seed=seed_of(config.sae.seed, spec.name),
        device=config.machine.device,
        advance=advance,
    )
    sae = trained.sae.to(config.machine.device)
    frames = frames_of_tracks(directory, spec.hookpoint, held_out)
    figures = evaluate(sae, frames, scale=trained.scale)
    sae.cpu()
    return trained, figures


def _in_words(spec: SaeSpec, trained: TrainedSae, figures: HeldOut | None) -> str:
    last = trained.history[-1]
    batch = f"{last.batch_variance_explained:.1%} of the last training batch's variance explained"
    if figures is None:
        return f"{batch}; no validation frame to evaluate on"
    return (
        f"on {figures.frames:,} validation frames {1 - figures.fvu:.1%} of the variance explained "
        f"(FVU {figures.fvu:.3f}), L0 {figures.l0:.1f}, {figures.dead_share:.1%} of "
        f"{spec.n_latents} latents dead; {batch}"
    )


def _store(
    spec: SaeSpec,
    trained: TrainedSae,
    figures: HeldOut | None,
    directory: RunDirectory,
    writer: StageWriter,
) -> None:
    """Write one SAE with its metadata and its training history."""
    shard = _any_shard(directory, spec.hookpoint)
    facts = checkpoint.SaeFacts(
        hookpoint=spec.hookpoint,
        subject_fingerprint=shard.subject_fingerprint,
        delay_mapping=shard.delay_mapping,
        frame_rate=shard.frame_rate,
        first_frame=shard.first_frame,
        activation_scale=trained.scale,
        last_batch_variance_explained=trained.history[-1].batch_variance_explained,
        validation_fvu=figures.fvu if figures else None,
        validation_l0=figures.l0 if figures else None,
        validation_dead_share=figures.dead_share if figures else None,
    )
    checkpoint.save(writer, spec.name, trained.sae, facts)
    history = table_of(TrainingRecord, trained.history)
    writer.write_table(f"sae/{spec.name}/training.parquet", history)


def _any_shard(directory: RunDirectory, hookpoint: str) -> ShardFacts:
    """Metadata of a hookpoint's first activation file; they are the same in all its files."""
    for path in shard_paths(directory, hookpoint):
        return ShardFacts.from_metadata(directory.read_metadata(path))
    raise PipelineError(f"no activations of {hookpoint} in {directory.path}")
