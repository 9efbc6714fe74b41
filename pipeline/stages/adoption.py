"""Stage `sae` of a run whose SAE was trained elsewhere (`[sae] checkpoint`).

Input: the checkpoint, `activations/`, `corpus.parquet`. Output: `sae/NAME/` in SAELens' layout, as
of an SAE that was trained here, but without `training.parquet`. Nothing is fitted: validation
frames only give its figures, and train frames the scale of the activations, in which τ is counted.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch

from pipeline.config import RunConfig
from pipeline.corpus.tracks import usable_tracks
from pipeline.errors import PipelineError
from pipeline.parallel import torch_threads
from pipeline.progress import Progress
from pipeline.sae import checkpoint, foreign
from pipeline.sae.adopted import Adopted, sae_of
from pipeline.sae.evaluate import HeldOut, evaluate, frames_of_tracks
from pipeline.sae.foreign.parts import Foreign, refuse_another_hook
from pipeline.sae.frames import TrainingFrames
from pipeline.sae.model import TopKSae
from pipeline.sae.specs import SaeSpec, spec_of
from pipeline.store.activations import ShardFacts, shard_paths
from pipeline.store.run_directory import RunDirectory

SCALE_FRAMES = 16_384
"""Train frames from which the scale is computed."""


def check(config: RunConfig, width: int | None = None) -> Foreign:
    """The checkpoint, read; raises `PipelineError` if it is not understood, belongs to another
    hookpoint, or reads another width than the subject's, where that is known."""
    found = foreign.read(config.sae.checkpoint)
    (hookpoint,) = config.subject.hookpoints
    try:
        refuse_another_hook(found.hook, hookpoint, config.sae.checkpoint_hook)
        if width is not None and found.shape[0] != width:
            raise PipelineError(
                f"it reads activations of {found.shape[0]} dimensions, but the subject's have "
                f"{width}; was it trained on another model?"
            )
    except PipelineError as error:
        raise PipelineError(f"checkpoint {config.sae.checkpoint}: {error}") from error
    return found


def run(config: RunConfig, directory: RunDirectory, *, progress: Progress) -> None:
    """Read, measure and store the SAE; the summary has what that of a training has."""
    found = check(config, int(directory.summary("activations")["subject"]["width"]))
    (hookpoint,) = config.subject.hookpoints
    sae = sae_of(found)
    of_split = {split: _tracks(directory, split) for split in ("train", "validation")}
    with directory.writer("sae") as writer, torch_threads(config.machine):
        progress.start("sae", 1, "SAE")
        sae.to(config.machine.device)
        held_out = frames_of_tracks(directory, hookpoint, of_split["validation"])
        figures = evaluate(sae, held_out)
        sae.cpu()
        if found.k is None:
            # What k says of other SAEs: latents per frame.
            sae.k = max(1, min(sae.n_latents, round(figures.l0 if figures else 1)))
        spec = spec_of(hookpoint, sae.n_latents, sae.k)
        scale = _scale(sae, TrainingFrames(directory, hookpoint, of_split["train"]))
        facts = _facts(directory, spec, scale, figures)
        checkpoint.save(
            writer, spec.name, sae, facts, _origin(config, found), raw=True,
            densities=figures.densities if figures else (),
        )  # fmt: skip
        writer.summary.update(saes=[spec.name], validation={})
        if figures is not None:
            writer.summary["validation"][spec.name] = asdict(figures)
        progress.advance()
        progress.finish()
        progress.note(f"{spec.name}: {_in_words(config, found, figures)}")


def _tracks(directory: RunDirectory, split: str) -> frozenset[str]:
    return frozenset(track.track for track in usable_tracks(directory) if track.split == split)


def _scale(sae: TopKSae, frames: TrainingFrames) -> float:
    """The RMS of centred activations, in which a trained SAE's values are stored; 1 for an SAE
    that brings every frame to a common scale by itself."""
    if isinstance(sae, Adopted) and sae.normalise != "none":
        return 1.0
    sample = frames.sample(SCALE_FRAMES, torch.Generator().manual_seed(0))
    return float((sample - sample.mean(dim=0)).square().mean().sqrt().clamp_min(1e-12))


def _facts(
    directory: RunDirectory, spec: SaeSpec, scale: float, figures: HeldOut | None
) -> checkpoint.SaeFacts:
    path = shard_paths(directory, spec.hookpoint)[0]
    shard = ShardFacts.from_metadata(directory.read_metadata(path))
    return checkpoint.SaeFacts(
        hookpoint=spec.hookpoint,
        subject_fingerprint=shard.subject_fingerprint,
        delay_mapping=shard.delay_mapping,
        frame_rate=shard.frame_rate,
        first_frame=shard.first_frame,
        activation_scale=scale,
        validation_fvu=figures.fvu if figures else None,
        validation_l0=figures.l0 if figures else None,
        validation_dead_share=figures.dead_share if figures else None,
        validation_dense_share=figures.dense_share if figures else None,
        validation_cosine=figures.cosine if figures else None,
    )


def _origin(config: RunConfig, found: Foreign) -> dict[str, Any]:
    """Where it is from, for whoever reads `cfg.json`."""
    return {
        "adopted_from": config.sae.checkpoint,
        "fingerprint": foreign.fingerprint_of(config.sae.checkpoint),
        "library": found.library,
        "architecture": found.architecture,
        "hook": found.hook,
    }


def _in_words(config: RunConfig, found: Foreign, figures: HeldOut | None) -> str:
    said = f"{found.architecture} of {found.library}, adopted from {config.sae.checkpoint}"
    if found.hook is None:
        said += ", which does not say where it reads"
    if figures is None:
        return said
    return (
        f"{said}; on {figures.frames:,} validation frames FVU {figures.fvu:.3f}, "
        f"L0 {figures.l0:.1f}, {figures.dead_share:.1%} of the latents dead"
    )
