"""How good a run's SAEs are, on validation tracks: `python -m pipeline quality DIR`.

Input: `sae/`, `activations/`, the subject and the corpus's audio. Output: `quality.parquet`, one
row per SAE. Reconstruction and sparsity are those of `pipeline.sae.evaluate`. *Loss recovered*
measures what the subject still knows: its cross-entropy of the codes when the SAE's reconstruction
takes the place of the stream at the hookpoint, on a scale from 0, where the mean frame does, to 1,
where nothing is replaced.

A command of its own, since the forward passes take time that not every run needs; not part of a
run's key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pipeline.config import RunConfig, config_from_dict
from pipeline.corpus import audio
from pipeline.corpus.tracks import usable_tracks
from pipeline.devices import on_device
from pipeline.errors import PipelineError
from pipeline.parallel import torch_threads
from pipeline.progress import Progress
from pipeline.sae import checkpoint
from pipeline.sae.checkpoint import StoredSae
from pipeline.sae.evaluate import evaluate, frames_of_tracks
from pipeline.store.records import table_of
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import QualityRecord, TrackRecord
from pipeline.subjects import STANDINS, load_subject
from pipeline.subjects.base import Replacement, Subject

LOSS_TRACKS = 16
"""Number of validation tracks on which losses are measured."""


class Losses(NamedTuple):
    """Cross-entropies per codebook, in nats; empty for a control that predicts no codes."""

    tracks: int
    intact: tuple[float, ...] = ()
    reconstructed: tuple[float, ...] = ()
    mean: tuple[float, ...] = ()
    zero: tuple[float, ...] = ()

    def recovered(self, ablated: Sequence[float]) -> float | None:
        """(L_ablated − L_reconstructed) / (L_ablated − L_intact), summed over codebooks; None if
        the ablation does no harm."""
        harm = sum(ablated) - sum(self.intact)
        return (sum(ablated) - sum(self.reconstructed)) / harm if harm > 0 else None


def quality(
    directory: RunDirectory,
    *,
    progress: Progress,
    tracks: int = LOSS_TRACKS,
    device: str | None = None,
) -> list[QualityRecord]:
    """Measure every SAE of a run and write `quality.parquet`, replacing that of an earlier call.

    Losses are measured on `tracks` validation tracks, none if it is 0. Raises `PipelineError` if
    the run has no SAEs, no validation frames, its subject has changed, or its subject or corpus
    cannot be read.
    """
    if not directory.is_done("sae"):
        raise PipelineError(f"{directory}: stage sae is not done; run it first")
    config = on_device(
        config_from_dict(directory.description("config")["config"]), device, progress
    )
    held_out = [track for track in usable_tracks(directory) if track.split == "validation"]
    chosen = [] if config.subject.control in STANDINS else _chosen(held_out, tracks)
    with directory.lock(), directory.writer("quality") as writer, torch_threads(config.machine):
        names = directory.sae_names()
        subject: Subject | None = None
        codes: list[Tensor] = []
        if chosen:
            subject = load_subject(config.subject, device=config.machine.device)
            for name in names:  # Said before the work and not after it.
                checkpoint.refuse_mismatch(
                    name, checkpoint.read_facts(directory, name),
                    subject_fingerprint=subject.facts.fingerprint,
                )  # fmt: skip
            codes = [_codes(subject, track, config) for track in chosen]
        progress.start("quality", len(names), "SAE")
        records = []
        for name in names:
            records.append(_record(directory, name, held_out, subject, codes))
            progress.advance()
        progress.finish()
        writer.write_table("quality.parquet", table_of(QualityRecord, records))
        writer.summary.update(saes=len(records), loss_tracks=len(codes))
    return records


def _chosen(tracks: Sequence[TrackRecord], count: int) -> list[TrackRecord]:
    """The tracks whose names have the lowest hashes, the same at every call."""
    return sorted(tracks, key=lambda one: hashlib.sha256(one.track.encode()).digest())[:count]


def _codes(subject: Subject, track: TrackRecord, config: RunConfig) -> Tensor:
    """The codes [1, codebook, frame] of a track."""
    path = config.corpus.folder() / track.path
    try:
        sound = audio.read_mono(
            path, sample_rate=subject.facts.sample_rate, start_seconds=track.start_seconds,
            seconds=track.seconds,
        )  # fmt: skip
    except (audio.AudioError, OSError) as error:
        raise PipelineError(
            f"track {track.track} can no longer be read ({error}); is the corpus still where it "
            "was? --tracks 0 leaves out what needs it"
        ) from error
    return subject.encode(torch.from_numpy(sound)[None])


def _record(
    directory: RunDirectory,
    name: str,
    held_out: Sequence[TrackRecord],
    subject: Subject | None,
    codes: Sequence[Tensor],
) -> QualityRecord:
    stored = checkpoint.load(directory, name)
    hookpoint = stored.facts.hookpoint
    every = frozenset(track.track for track in held_out)
    found = evaluate(stored.sae, frames_of_tracks(directory, hookpoint, every))
    if found is None:
        raise PipelineError(f"SAE {name}: there are no validation frames to measure it on")
    losses = _losses(subject, stored, codes) if subject else Losses(0)
    return QualityRecord(
        sae=name,
        hookpoint=hookpoint,
        n_latents=stored.sae.n_latents,
        k=stored.sae.k,
        frames=found.frames,
        fvu=found.fvu,
        l0=found.l0,
        dead_share=found.dead_share,
        dense_share=found.dense_share,
        cosine=found.cosine,
        densities=found.densities,
        loss_tracks=losses.tracks,
        loss=losses.intact,
        loss_reconstructed=losses.reconstructed,
        loss_mean=losses.mean,
        loss_zero=losses.zero,
        loss_recovered=losses.recovered(losses.mean),
        loss_recovered_from_zero=losses.recovered(losses.zero),
    )


def _losses(subject: Subject, stored: StoredSae, codes: Sequence[Tensor]) -> Losses:
    """Losses over the tracks of `codes`, each track weighing as much as any other."""
    hookpoint = stored.facts.hookpoint
    # x̄ [d] over the frames that are replaced.
    first = subject.facts.first_full_frame
    streams = [subject.activations(one, [hookpoint])[hookpoint][0, first:] for one in codes]
    mean = torch.cat(streams).mean(dim=0)

    def over_tracks(put: Replacement | None) -> tuple[float, ...]:
        each = [subject.code_losses(one, hookpoint, put).numpy() for one in codes]
        return tuple(np.mean(each, axis=0).tolist())

    return Losses(
        len(codes),
        intact=over_tracks(None),
        reconstructed=over_tracks(lambda x: _restored(stored, x)),
        mean=over_tracks(lambda x: mean.to(x).expand_as(x)),
        zero=over_tracks(torch.zeros_like),
    )


def _restored(stored: StoredSae, x: Tensor) -> Tensor:
    """The SAE's reconstruction of raw activations [frame, d], on their device."""
    sae = stored.sae.to(x.device)
    return sae.in_units_of(x, sae.decode(sae.encode(x)))


def lines(records: Sequence[QualityRecord]) -> list[str]:
    """The table as text: one line per SAE, and how many latents fire how often."""
    found = [
        f"{'SAE':24} {'FVU':>7} {'L0':>6} {'dead':>6} {'dense':>6} {'cosine':>7} "
        f"{'recovered':>9} {'from zero':>9}  latents by density: 1e-5 … 1e-4 … 1e-3 … 1e-2 … 0.1 …"
    ]
    for one in records:
        recovered, from_zero = (
            "–" if value is None else f"{value:.3f}"
            for value in (one.loss_recovered, one.loss_recovered_from_zero)
        )
        found.append(
            f"{one.sae:24} {one.fvu:7.4f} {one.l0:6.2f} {one.dead_share:6.1%} "
            f"{one.dense_share:6.1%} {one.cosine:7.4f} {recovered:>9} {from_zero:>9}  "
            + " ".join(f"{count:d}" for count in one.densities)
        )
    return found
