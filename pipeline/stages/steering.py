"""Steering: music with a feature turned up, beside the same music without.

Source: Singh, Cherep and Maes (arXiv 2505.18186): x' = x + α β W_d[j] at the SAE's hookpoint in
every step, β the largest activation of feature j over its exemplars, prompt "Simple melody", the
same seed with and without. Input: `sae/`, `features/`, `exemplars/`, the subject. Output, for each
SAE: `steering/NAME.parquet` and the audio it names, in `steering/NAME/clips/`. Whether the
steered music is nearer to the exemplars is for a scorer to judge.

What the paper leaves open: the vector goes to both halves of a guided batch (see
`pipeline.subjects.base.Intervention`), and the first step is steered like all others. With α = 0
no token changes; the share that does is written down for every α.

The stage runs by its own command once a run has exemplars: what is steered is chosen after looking
at the features, so it is no part of the run's key.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

import numpy as np

from pipeline.config import config_from_dict
from pipeline.corpus import audio
from pipeline.devices import on_device
from pipeline.errors import PipelineError
from pipeline.parallel import torch_threads
from pipeline.progress import Progress
from pipeline.sae import checkpoint
from pipeline.sae.checkpoint import StoredSae
from pipeline.store.run_directory import RunDirectory, StageWriter
from pipeline.store.tables import (
    ExemplarRecord,
    FeatureRecord,
    SteeringRecord,
    records_from,
    table_of,
)
from pipeline.subjects import STANDINS, load_subject
from pipeline.subjects.base import HALVES, Generated, Intervention, SteeringVector

Clips = dict[int, tuple[str, Generated]]
"""Of each seed the hash of the clip without steering, and what it is."""


@dataclass(frozen=True)
class SteeringConfig:
    """What is steered, and how."""

    features: int = 8
    """Kept features of each SAE, drawn with `seed`; where it has fewer, all."""
    alphas: tuple[float, ...] = (1.0,)
    """α: shares of the largest activation over the exemplars."""
    prompt: str = "Simple melody"
    seconds: float = 5.0
    """Length of a clip, seconds."""
    takes: int = 1
    """Seeds a feature and α."""
    halves: str = "both"
    """Where guidance computes each step twice: `both`, or `conditional` alone."""
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.features, self.takes, self.seconds) <= 0:
            raise PipelineError("features, takes and seconds of a steering must be over 0")
        if not self.alphas or self.halves not in HALVES:
            raise PipelineError(f"a steering needs an alpha, and halves among {', '.join(HALVES)}")


def steer(
    config: SteeringConfig,
    directory: RunDirectory,
    *,
    progress: Progress,
    device: str | None = None,
) -> None:
    """Make the clips of every SAE, computed on `device`; what was made before is replaced.

    Raises `PipelineError` if the run has no exemplars or its subject is not the one it had.
    """
    if not directory.is_done("exemplars"):
        raise PipelineError(f"{directory.path}: stage exemplars is not done; run it first")
    run = config_from_dict(directory.description("config")["config"])
    if run.subject.control in STANDINS:
        raise PipelineError(
            f"{directory.path} reads a control ({run.subject.control}), which cannot generate music"
        )
    run = on_device(run, device, progress)
    with directory.lock(), directory.writer("steering") as writer, torch_threads(run.machine):
        subject = load_subject(run.subject, device=run.machine.device)
        for name in directory.sae_names():
            records = _steer_sae(config, directory, writer, subject, name, progress)
            writer.write_table(f"steering/{name}.parquet", table_of(SteeringRecord, records))
        writer.summary.update({"config": asdict(config)})


def drawn(directory: RunDirectory, name: str, config: SteeringConfig) -> list[FeatureRecord]:
    """The features to steer, in the order of their indices."""
    features = records_from(FeatureRecord, directory.read_table(f"features/{name}.parquet"))
    kept = [feature for feature in features if feature.kept]
    order = Random(f"{config.seed} {name}").sample(kept, min(config.features, len(kept)))  # noqa: S311 - no secret
    return sorted(order, key=lambda feature: feature.index)


def largest_over_exemplars(directory: RunDirectory, stored: StoredSae) -> dict[str, float]:
    """β of each feature that has exemplars, in raw units of the residual stream."""
    name = stored.name
    tensors, metadata = directory.read_tensors(f"features/{name}.activations.safetensors")
    row_of = {track: row for row, track in enumerate(json.loads(metadata["tracks"]))}
    largest: dict[str, float] = {}
    exemplars = records_from(ExemplarRecord, directory.read_table(f"exemplars/{name}.parquet"))
    for exemplar in exemplars:
        latent = int(exemplar.feature.rpartition("/")[2])
        value = float(tensors["max"][row_of[exemplar.track], latent])
        largest[exemplar.feature] = max(value, largest.get(exemplar.feature, 0.0))
    return {feature: value * stored.facts.activation_scale for feature, value in largest.items()}


def vector_of(stored: StoredSae, latent: int) -> SteeringVector:
    """W_d[j]: the unit direction that an SAE's latent writes, with where it belongs."""
    return SteeringVector(
        direction=stored.sae.decoder[latent].detach().clone(),
        hookpoint=stored.facts.hookpoint,
        subject_fingerprint=stored.facts.subject_fingerprint,
        delay_mapping=stored.facts.delay_mapping,
    )


def _steer_sae(
    config: SteeringConfig,
    directory: RunDirectory,
    writer: StageWriter,
    subject: Any,
    name: str,
    progress: Progress,
) -> list[SteeringRecord]:
    """All clips of one SAE's features."""
    stored = checkpoint.load(directory, name)
    largest = largest_over_exemplars(directory, stored)
    features = [f for f in drawn(directory, name, config) if f.feature in largest]
    progress.start(f"steering {name}", len(features) * len(config.alphas) * config.takes, "clip")
    plain = _plain_clips(config, writer, subject, name) if features else {}
    records = []
    for feature in features:
        vector = vector_of(stored, feature.index)
        for alpha in config.alphas:
            strength = alpha * largest[feature.feature]
            intervention = Intervention(vector, strength, config.halves)
            for seed, (plain_clip, without) in plain.items():
                made = subject.generate(config.prompt, config.seconds, seed, [intervention])
                records.append(
                    SteeringRecord(
                        feature=feature.feature,
                        hookpoint=vector.hookpoint,
                        alpha=alpha,
                        beta=largest[feature.feature],
                        halves=config.halves,
                        prompt=config.prompt,
                        seed=seed,
                        seconds=config.seconds,
                        clip=_store(writer, subject, name, made),
                        plain_clip=plain_clip,
                        changed_share=float((made.codes != without.codes).float().mean()),
                    )
                )
                progress.advance()
    progress.finish()
    return records


def _plain_clips(config: SteeringConfig, writer: StageWriter, subject: Any, name: str) -> Clips:
    """The music without steering, once a seed: it is the same for all features."""
    clips: Clips = {}
    for take in range(config.takes):
        seed = config.seed + take
        made = subject.generate(config.prompt, config.seconds, seed)
        clips[seed] = (_store(writer, subject, name, made), made)
    return clips


def _store(writer: StageWriter, subject: Any, name: str, made: Generated) -> str:
    """Write a clip under its hash, and give the hash."""
    samples = np.clip(made.audio.numpy()[None], -1.0, 1.0)
    data = audio.flac_bytes(samples, subject.facts.sample_rate)
    clip = hashlib.sha256(data).hexdigest()
    writer.write_bytes(f"steering/{name}/clips/{clip}.flac", data)
    return clip
