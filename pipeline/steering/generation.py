"""The steered clips of one SAE's features, and the same clips without steering.

A clip is generated with x' = x + α β_j W_dec[j] at the SAE's hookpoint in every step, by
`pipeline.subjects`. With the same seed and prompt the clip without it is what α = 0 would give, so
the two differ by the intervention only.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from pipeline.corpus import audio
from pipeline.progress import Progress
from pipeline.sae import checkpoint
from pipeline.steering.settings import SteeringConfig
from pipeline.steering.vectors import drawn_features, largest_over_exemplars, vector_of
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import (
    SteeringRecord,
)
from pipeline.store.writers import StageWriter
from pipeline.subjects.base import Generated, Intervention

Clips = dict[int, tuple[str, Generated]]
"""For each seed the hash of the clip without steering, and the clip."""


def steer_sae(
    config: SteeringConfig,
    directory: RunDirectory,
    writer: StageWriter,
    subject: Any,
    name: str,
    progress: Progress,
) -> list[SteeringRecord]:
    """Generate and store all clips of one SAE; one record per feature, α and seed."""
    # 1) β of each feature, and the features that are steered.
    stored = checkpoint.load(directory, name)
    largest = largest_over_exemplars(directory, stored)
    features = [f for f in drawn_features(directory, name, config) if f.feature in largest]
    progress.start(f"steering {name}", len(features) * len(config.alphas) * config.takes, "clip")
    # 2) Clips without steering, one per seed.
    plain = _plain_clips(config, writer, subject, name) if features else {}
    # 3) Steered clips.
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
    """The music without steering, once per seed: it is the same for all features."""
    clips: Clips = {}
    for take in range(config.takes):
        seed = config.seed + take
        made = subject.generate(config.prompt, config.seconds, seed)
        clips[seed] = (_store(writer, subject, name, made), made)
    return clips


def _store(writer: StageWriter, subject: Any, name: str, made: Generated) -> str:
    """Write a clip under its hash, and return the hash."""
    samples = np.clip(made.audio.numpy()[None], -1.0, 1.0)
    data = audio.flac_bytes(samples, subject.facts.sample_rate)
    clip = hashlib.sha256(data).hexdigest()
    writer.write_bytes(f"steering/{name}/clips/{clip}.flac", data)
    return clip
