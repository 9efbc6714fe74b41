"""Stage `sae`: trains the sparse autoencoders on the train split.

Input: `activations/`, `corpus.parquet`. Parameters: `[sae]`. Output: `sae/NAME/`, one per
hookpoint, expansion and k. Each is evaluated on the validation split, see `pipeline.sae.evaluate`.
With `[sae] checkpoint` an SAE is adopted instead (`pipeline.stages.adoption`).
A piece of the stage is what one training makes; a training that was interrupted continues from its
last snapshot (`pipeline.sae.snapshots`). Under torchrun several processes share each training
(`pipeline.sae.ranks`); the first of them evaluates and writes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from itertools import groupby
from typing import Any, NamedTuple

from pipeline.config import RunConfig, SaeConfig
from pipeline.corpus.tracks import usable_tracks
from pipeline.errors import PipelineError
from pipeline.parallel import Advance
from pipeline.progress import Progress
from pipeline.sae import checkpoint
from pipeline.sae.evaluate import HeldOut, evaluate, frames_of_tracks
from pipeline.sae.frames import TrainingFrames
from pipeline.sae.ranks import ALONE, Ranks
from pipeline.sae.rates import rate_of
from pipeline.sae.snapshots import StoredSnapshots
from pipeline.sae.specs import SaeSpec, seed_of, specs
from pipeline.sae.trainer import TrainedSae, Wanted, train_alone, train_together
from pipeline.store.activations import ShardFacts, shard_paths
from pipeline.store.records import table_of
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import TrainingRecord
from pipeline.store.writers import Piece, PieceWriter, StageWriter


class Made(NamedTuple):
    """A trained SAE, and its figures on validation frames (None if there are none)."""

    trained: TrainedSae
    figures: HeldOut | None


class Trainings:
    """The work of the stage, see `pipeline.pieces.Pieces`: one piece per SAE, or per hookpoint if
    its SAEs are trained together."""

    stage = "sae"
    made_from: tuple[str, ...] = ("corpus", "activations")
    unit = "step"

    def __init__(self, config: RunConfig, directory: RunDirectory, ranks: Ranks = ALONE) -> None:
        self._config, self._directory, self._ranks = config, directory, ranks
        width = int(directory.summary("activations")["subject"]["width"])
        self._wanted = list(specs(config, width))
        self._groups = _groups(self._wanted, together=config.sae.together)
        # Activations that are not stored are computed for all hookpoints at once.
        self.at_once = len(self._groups) if config.machine.online else config.machine.workers
        if ranks.count > 1:  # All processes must go through the trainings in one order.
            self.at_once = 1

    def sizes(self) -> Mapping[str, int]:
        """The number of steps of each training, over all its SAEs."""
        return {name: self._config.sae.steps * len(group) for name, group in self._groups.items()}

    def needs(self, piece: str) -> Collection[str]:
        """None of the others."""
        return ()

    def do(self, piece: str, writer: PieceWriter, advance: Advance) -> None:
        """Train, evaluate and store the SAEs of one piece."""
        group = self._groups[piece]
        made = self._evaluated(group, self._trained(group, advance))
        for spec, one in zip(group, made, strict=True):
            _store(spec, one, self._config, self._directory, writer, self._ranks)
            figures = None if one.figures is None else asdict(one.figures)
            writer.facts[spec.name] = {"validation": figures, "words": _in_words(spec, one)}

    def take_part(self, piece: str) -> None:
        """Train with the process that makes this piece."""
        self._trained(self._groups[piece], lambda _: None)

    def is_whole(self, piece: Piece) -> bool:
        """Always: a training lacks nothing."""
        return True

    def close(self, pieces: Sequence[Piece], writer: StageWriter, progress: Progress) -> None:
        """`summary["saes"]` lists the SAEs' names and `summary["validation"]` their figures on
        validation frames."""
        facts = {name: known for piece in pieces for name, known in piece.facts.items()}
        names = [spec.name for spec in self._wanted]
        writer.summary.update(saes=names, validation={})
        for name in names:
            if facts[name]["validation"] is not None:
                writer.summary["validation"][name] = facts[name]["validation"]
            progress.note(f"{name}: {facts[name]['words']}")

    def _trained(self, group: Sequence[SaeSpec], advance: Advance) -> list[TrainedSae]:
        """The SAEs of one piece, all of one hookpoint."""
        config, device = self._config, self._config.machine.device
        frames = TrainingFrames(self._directory, group[0].hookpoint, self._splits["train"])
        wanted = [_wanted(spec, config, self._directory) for spec in group]
        if config.sae.together:
            # One order for all hookpoints: what is computed for one is then wanted by the others
            # next.
            order_seed = seed_of(config.sae.seed, "")
            return train_together(
                wanted, frames, order_seed=order_seed, device=device, advance=advance,
                ranks=self._ranks,
            )  # fmt: skip
        return [train_alone(wanted[0], frames, device=device, advance=advance, ranks=self._ranks)]

    def _evaluated(self, group: Sequence[SaeSpec], trained: Sequence[TrainedSae]) -> list[Made]:
        """With their figures on validation frames."""
        made = []
        for one in trained:
            sae = one.sae.to(self._config.machine.device)
            held_out = frames_of_tracks(
                self._directory, group[0].hookpoint, self._splits["validation"]
            )
            made.append(Made(one, evaluate(sae, held_out, scale=one.scale)))
            sae.cpu()
        return made

    @cached_property
    def _splits(self) -> dict[str, frozenset[str]]:
        usable = usable_tracks(self._directory)
        return {
            split: frozenset(track.track for track in usable if track.split == split)
            for split in ("train", "validation")
        }


def _groups(wanted: Sequence[SaeSpec], *, together: bool) -> dict[str, list[SaeSpec]]:
    """The SAEs of each piece: one, or all of a hookpoint; in the order of `wanted`."""
    if not together:
        return {spec.name: [spec] for spec in wanted}
    found = groupby(wanted, key=lambda spec: spec.hookpoint)
    return {hookpoint: list(group) for hookpoint, group in found}


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
    spec: SaeSpec,
    made: Made,
    config: RunConfig,
    directory: RunDirectory,
    writer: PieceWriter,
    ranks: Ranks,
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
    checkpoint.save(
        writer, spec.name, trained.sae, facts, _training(config.sae, spec, ranks),
        densities=figures.densities if figures else (),
    )  # fmt: skip
    history = table_of(TrainingRecord, trained.history)
    writer.write_table(f"sae/{spec.name}/training.parquet", history)


def _training(config: SaeConfig, spec: SaeSpec, ranks: Ranks) -> dict[str, Any]:
    """How an SAE was trained, for whoever reads its `cfg.json`: what the config leaves open too."""
    # Stated only where it is so: files of one process are those of earlier versions.
    processes = {"processes": ranks.count} if ranks.count > 1 else {}
    return {
        "variant": config.variant,
        "prefixes": list(config.prefixes),
        "kernel": config.kernel,
        "steps": config.steps,
        "batch_frames": config.batch_frames,
        "learning_rate": rate_of(config, spec.n_latents),
        "seed": seed_of(config.seed, spec.name),
        **processes,
    }


def _any_shard(directory: RunDirectory, hookpoint: str) -> ShardFacts:
    """Metadata of a hookpoint's first activation file; they are the same in all its files."""
    for path in shard_paths(directory, hookpoint):
        return ShardFacts.from_metadata(directory.read_metadata(path))
    raise PipelineError(f"no activations of {hookpoint} in {directory}")
