"""Stage `sae`: trains the sparse autoencoders on the train split.

Input: `activations/`, `corpus.parquet`. Parameters: `[sae]`. Output: `sae/NAME/`, one per
hookpoint, expansion and k. Each is evaluated on the validation split, see `pipeline.sae.evaluate`.
A training that was interrupted continues from its last snapshot (`pipeline.sae.snapshots`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from itertools import chain, groupby
from typing import Any, NamedTuple

from pipeline.config import RunConfig, SaeConfig
from pipeline.corpus.tracks import usable_tracks
from pipeline.errors import PipelineError
from pipeline.parallel import Advance, run_jobs, torch_threads
from pipeline.progress import Progress
from pipeline.sae import checkpoint
from pipeline.sae.evaluate import HeldOut, evaluate, frames_of_tracks
from pipeline.sae.frames import TrainingFrames
from pipeline.sae.rates import rate_of
from pipeline.sae.snapshots import StoredSnapshots
from pipeline.sae.specs import SaeSpec, seed_of, specs
from pipeline.sae.trainer import TrainedSae, Wanted, train_alone, train_together
from pipeline.store.activations import ShardFacts, shard_paths
from pipeline.store.run_directory import RunDirectory, StageWriter
from pipeline.store.tables import TrainingRecord, table_of


class Made(NamedTuple):
    """A trained SAE, and its figures on validation frames (None if there are none)."""

    trained: TrainedSae
    figures: HeldOut | None


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
        jobs = [
            partial(_train, group, config, directory, tracks, held_out)
            for group in _groups(wanted, together=config.sae.together)
        ]
        trained = chain.from_iterable(run_jobs(jobs, config.machine.workers, progress))
        progress.finish()
        writer.summary.update(saes=[spec.name for spec in wanted], validation={})
        for spec, made in zip(wanted, trained, strict=True):
            _store(spec, made, config, directory, writer)
            if made.figures is not None:
                writer.summary["validation"][spec.name] = asdict(made.figures)
            progress.note(f"{spec.name}: {_in_words(spec, made)}")
    directory.scratch("sae").clear()


def _groups(wanted: Sequence[SaeSpec], *, together: bool) -> list[list[SaeSpec]]:
    """The SAEs that one job trains: one, or all of a hookpoint; in the order of `wanted`."""
    if not together:
        return [[spec] for spec in wanted]
    return [list(group) for _, group in groupby(wanted, key=lambda spec: spec.hookpoint)]


def _train(
    group: Sequence[SaeSpec],
    config: RunConfig,
    directory: RunDirectory,
    tracks: frozenset[str],
    held_out: frozenset[str],
    advance: Advance,
) -> list[Made]:
    """The SAEs of one job, all of one hookpoint."""
    hookpoint, device = group[0].hookpoint, config.machine.device
    frames = TrainingFrames(directory, hookpoint, tracks)
    wanted = [_wanted(spec, config, directory) for spec in group]
    if config.sae.together:
        order_seed = seed_of(config.sae.seed, hookpoint)
        trained = train_together(
            wanted, frames, order_seed=order_seed, device=device, advance=advance
        )
    else:
        trained = [train_alone(wanted[0], frames, device=device, advance=advance)]
    made = []
    for one in trained:
        sae = one.sae.to(device)
        held_out_frames = frames_of_tracks(directory, hookpoint, held_out)
        made.append(Made(one, evaluate(sae, held_out_frames, scale=one.scale)))
        sae.cpu()
    return made


def _wanted(spec: SaeSpec, config: RunConfig, directory: RunDirectory) -> Wanted:
    """What is to be trained, with snapshots that are valid on these activations only."""
    snapshots = StoredSnapshots(
        directory.scratch("sae"),
        spec.name,
        key=f"{config.sae} on {directory.digest('activations')}",
        every=config.machine.snapshot_steps,
    )
    return Wanted(
        config.sae, spec.n_latents, spec.k, seed_of(config.sae.seed, spec.name), snapshots
    )


def _in_words(spec: SaeSpec, made: Made) -> str:
    figures, last = made.figures, made.trained.history[-1]
    batch = f"{last.batch_variance_explained:.1%} of the last training batch's variance explained"
    if figures is None:
        return f"{batch}; no validation frame to evaluate on"
    return (
        f"on {figures.frames:,} validation frames {1 - figures.fvu:.1%} of the variance explained "
        f"(FVU {figures.fvu:.3f}), L0 {figures.l0:.1f}, {figures.dead_share:.1%} of "
        f"{spec.n_latents} latents dead; {batch}"
    )


def _store(
    spec: SaeSpec, made: Made, config: RunConfig, directory: RunDirectory, writer: StageWriter
) -> None:
    """Write one SAE with its metadata and its training history."""
    trained, figures = made
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
        validation_dense_share=figures.dense_share if figures else None,
        validation_cosine=figures.cosine if figures else None,
    )
    checkpoint.save(writer, spec.name, trained.sae, facts, _training(config.sae, spec))
    history = table_of(TrainingRecord, trained.history)
    writer.write_table(f"sae/{spec.name}/training.parquet", history)


def _training(config: SaeConfig, spec: SaeSpec) -> dict[str, Any]:
    """How an SAE was trained, for whoever reads its `cfg.json`: what the config leaves open too."""
    return {
        "variant": config.variant,
        "prefixes": list(config.prefixes),
        "kernel": config.kernel,
        "steps": config.steps,
        "batch_frames": config.batch_frames,
        "learning_rate": rate_of(config, spec.n_latents),
        "seed": seed_of(config.seed, spec.name),
    }


def _any_shard(directory: RunDirectory, hookpoint: str) -> ShardFacts:
    """Metadata of a hookpoint's first activation file; they are the same in all its files."""
    for path in shard_paths(directory, hookpoint):
        return ShardFacts.from_metadata(directory.read_metadata(path))
    raise PipelineError(f"no activations of {hookpoint} in {directory.path}")
