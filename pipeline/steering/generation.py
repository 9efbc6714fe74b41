"""The steered clips of one SAE's features, and the same clips without steering.

A clip is generated with x' = x + α β_j W_dec[j] at the SAE's hookpoint in every step, or under
another of `INTERVENTIONS`, by `pipeline.subjects`. With the same seed and prompt the clip without
it is what α = 0 would give, so the two differ by the intervention only.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np

from pipeline.corpus import audio
from pipeline.progress import Progress
from pipeline.steering.interventions import Asked, Material, asked
from pipeline.steering.layers import placed
from pipeline.steering.material import material_of
from pipeline.steering.settings import SteeringConfig
from pipeline.steering.vectors import drawn_features
from pipeline.store.run_directory import RunDirectory
from pipeline.store.steering_tables import SteeringRecord
from pipeline.store.writers import StageWriter
from pipeline.subjects.base import Generated, Request

BATCH = 16
"""Clips between two steps of the progress bar."""


def steer_sae(
    config: SteeringConfig,
    directory: RunDirectory,
    writer: StageWriter,
    subject: Any,
    name: str,
    progress: Progress,
) -> list[SteeringRecord]:
    """Generate and store all clips of one SAE; one record per feature, intervention, α and seed."""
    # 1) The features that are steered, and what is done for each.
    material = material_of(directory, name, config, subject)
    drawn = [f.feature for f in drawn_features(directory, name, config)]
    features = [feature for feature in drawn if feature in material.features]
    material, _ = placed(subject, material, features, progress)
    wanted = [
        _Wanted(feature, intervention, alpha, config.seed + take, made)
        for feature in (*features, *material.pairs)
        for intervention in config.interventions
        for alpha in config.alphas
        if (made := asked(material, intervention, feature, alpha)) is not None
        for take in range(config.takes)
    ]
    progress.start(f"steering {name}", len(wanted), "clip")
    # 2) Clips without steering, one per prompt and seed: they are the same for all features.
    twins = list(dict.fromkeys((one.asked.beside(config), one.seed) for one in wanted))
    made = subject.generate_many([Request(*twin) for twin in twins], config.seconds)
    plain = {
        twin: (_store(writer, subject, name, clip), clip)
        for twin, clip in zip(twins, made, strict=True)
    }
    # 3) Steered clips.
    records = []
    for start in range(0, len(wanted), BATCH):
        part = wanted[start : start + BATCH]
        requests = [Request(one.asked.prompt, one.seed, one.asked.interventions) for one in part]
        clips = subject.generate_many(requests, config.seconds)
        for one, clip in zip(part, clips, strict=True):
            stored = _store(writer, subject, name, clip)
            records.append(
                _record(
                    config, material, one, stored, plain[one.asked.beside(config), one.seed], clip
                )
            )
        progress.advance(len(part))
    progress.finish()
    return records


class _Wanted(NamedTuple):
    """One steered clip."""

    feature: str
    intervention: str
    alpha: float
    seed: int
    asked: Asked


def _record(
    config: SteeringConfig,
    material: Material,
    one: _Wanted,
    stored: str,
    plain: tuple[str, Generated],
    clip: Generated,
) -> SteeringRecord:
    return SteeringRecord(
        feature=one.feature,
        hookpoint=one.asked.hookpoint(material.stored),
        alpha=one.alpha,
        beta=material.betas[one.feature],
        halves=config.halves,
        prompt=one.asked.prompt,
        seed=one.seed,
        seconds=config.seconds,
        clip=stored,
        plain_clip=plain[0],
        changed_share=float((clip.codes != plain[1].codes).float().mean()),
        intervention=one.intervention,
    )


def _store(writer: StageWriter, subject: Any, name: str, made: Generated) -> str:
    """Write a clip under its hash, and return the hash."""
    samples = np.clip(made.audio.numpy()[None], -1.0, 1.0)
    data = audio.flac_bytes(samples, subject.facts.sample_rate)
    clip = hashlib.sha256(data).hexdigest()
    writer.write_bytes(f"steering/{name}/clips/{clip}.flac", data)
    return clip
