"""Generates the clips of an evaluation and measures them: one row per feature, intervention, α and
seed.

What was measured is kept in parts while the work lasts, so a command that was interrupted continues
where it was. Two runs of the same evaluation give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from math import isfinite
from typing import Any

import numpy as np

from pipeline.corpus.planted import split_mask
from pipeline.features.summaries import matrices, open_summaries
from pipeline.progress import Progress
from pipeline.steering.hearing import SOUND, Ear
from pipeline.steering.interventions import PAIR
from pipeline.steering.plan import PLAIN, POOL, Clip, digest
from pipeline.steering.settings import EvaluationConfig
from pipeline.steering.vectors import index_of
from pipeline.store.run_directory import RunDirectory
from pipeline.store.steering_tables import EffectRecord
from pipeline.store.writers import Scratch
from pipeline.subjects.base import Generated

STAGE = "steering-evaluation"
PART = 64
"""Clips per part; what an interruption can lose."""

Heard = dict[str, np.ndarray]
"""The arrays of `Ear.hear`, over all clips of the plan."""


@dataclass(frozen=True)
class Aim:
    """What a feature, or a pair of prompts, is to bring about."""

    name: str
    beta: float
    towards: np.ndarray
    """[width]: the inner product with a clip's embedding is `similarity`."""
    label: str
    label_towards: np.ndarray | None
    concept: str | None


def heard(
    ear: Ear,
    clips: Sequence[Clip],
    scratch: Scratch,
    *,
    stamp: str,
    seconds: float,
    rows: int,
    progress: Progress,
    hear: Callable[[Sequence[Generated]], Heard] | None = None,
) -> Heard:
    """Generate and measure all clips, by `ear.hear` or another `hear`, or read those parts that
    were measured before."""
    hear = hear or ear.hear
    key = hashlib.sha256(f"{stamp}\0{seconds}\0{rows}\0{digest(clips)}".encode()).hexdigest()
    parts = []
    progress.start(f"steering {ear.stored.name}", len(clips), "clip")
    for number, start in enumerate(range(0, len(clips), PART)):
        part = clips[start : start + PART]
        name = f"{ear.stored.name}-{number:05d}"
        stored = scratch.load(name)
        if stored is None or stored[1].get("key") != key:
            made = ear.subject.generate_many([one.request for one in part], seconds, rows=rows)
            stored = hear(made), {"key": key}
            scratch.save(name, *stored)
        parts.append(stored[0])
        progress.advance(len(part))
    progress.finish()
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def effects(
    ear: Ear,
    clips: Sequence[Clip],
    found: Heard,
    aims: Sequence[Aim],
    spread: np.ndarray,
    *,
    config: EvaluationConfig,
) -> Iterator[EffectRecord]:
    """One row per clip and aim; `spread` [kept feature] are the standard deviations of mean
    activations over validation tracks."""
    plain = {
        (one.asked.prompt, one.seed): row
        for row, one in enumerate(clips)
        if one.intervention == PLAIN
    }
    by_name = {aim.name: aim for aim in aims}
    column_of = {int(index): column for column, index in enumerate(ear.kept)}
    for row, clip in enumerate(clips):
        if clip.intervention == PLAIN:
            continue
        # A clip of the pool is compared with every aim, any other with its own.
        for aim in aims if clip.intervention == POOL else [by_name[clip.feature]]:
            column = None if aim.name.startswith(PAIR) else column_of[index_of(aim.name)]
            rows = row, plain[clip.asked.beside(config), clip.seed]
            yield _effect(ear, clip, aim, found, rows, column, spread, config.seconds)


def _effect(
    ear: Ear,
    clip: Clip,
    aim: Aim,
    found: Heard,
    rows: tuple[int, int],
    column: int | None,
    spread: np.ndarray,
    seconds: float,
) -> EffectRecord:
    """The row of one clip and aim; `rows` are the clip's and that of its twin without steering."""
    codes, embedding, latents, scores = (
        [found[name][row] for row in rows] for name in ("codes", "embedding", "latents", "concepts")
    )
    sound = dict(zip(SOUND, found["sound"][rows[0]].tolist(), strict=True))
    moved = (latents[0] - latents[1]) / spread
    others = np.delete(moved, column) if column is not None else moved
    concept = ear.classifiers.concepts.index(aim.concept) if aim.concept else None
    other_concepts = np.delete(scores[0] - scores[1], [] if concept is None else [concept])
    return EffectRecord(
        feature=aim.name,
        intervention=clip.intervention,
        draw=clip.draw,
        hookpoint=clip.asked.hookpoint(ear.stored),
        alpha=clip.alpha,
        beta=clip.beta,
        norm=clip.asked.norm,
        prompt=clip.asked.prompt,
        seed=clip.seed,
        seconds=seconds,
        changed_share=float((codes[0] != codes[1]).mean()),
        similarity=along(embedding[0], aim.towards),
        similarity_plain=along(embedding[1], aim.towards),
        label=aim.label,
        label_similarity=along(embedding[0], aim.label_towards),
        label_similarity_plain=along(embedding[1], aim.label_towards),
        concept=aim.concept or "",
        concept_score=None if concept is None else float(scores[0][concept]),
        concept_score_plain=None if concept is None else float(scores[1][concept]),
        own_activation=None if column is None else float(latents[0][column]),
        own_activation_plain=None if column is None else float(latents[1][column]),
        own_moved=None if column is None else float(moved[column]),
        others_moved=float(np.abs(others).mean()) if len(others) else 0.0,
        concepts_moved=float(np.abs(other_concepts).mean()) if len(other_concepts) else None,
        loudness_lufs=sound["loudness_lufs"] if isfinite(sound["loudness_lufs"]) else None,
        silent_share=sound["silent_share"],
        clipped_share=sound["clipped_share"],
        repetition=sound["repetition"],
    )


def along(embedding: np.ndarray, towards: np.ndarray | None) -> float | None:
    """The similarity of an embedding [width] to what `towards` [width] says; None without it."""
    if towards is None:
        return None
    return float(embedding.astype(np.float64) @ towards.astype(np.float64))


def mean_activations(
    directory: RunDirectory, name: str, latents: Sequence[int] | np.ndarray, split: str
) -> tuple[list[str], np.ndarray]:
    """The tracks of a split, and the mean activations [track, latent] of `latents` in them,
    normalised."""
    summaries = open_summaries(directory, name)
    inside = split_mask(directory, summaries.tracks, split)
    columns = [found[inside] for _, found in matrices(summaries, latents)]
    return list(compress(summaries.tracks, inside)), np.concatenate(columns, axis=1)


def deviations(means: np.ndarray) -> np.ndarray:
    """Standard deviation of each latent over tracks [track, latent]; 1 where it does not vary."""
    found = means.std(axis=0, dtype=np.float64)
    return np.where(found > 0, found, 1.0)


def aims_of(
    features: Sequence[str],
    betas: dict[str, float],
    exemplars: dict[str, np.ndarray],
    labels: dict[str, str],
    texts: dict[str, np.ndarray],
    concepts: dict[str, str | None],
) -> list[Aim]:
    """The aims of features: `exemplars` are their mean embeddings, `texts` those of labels."""
    return [
        Aim(
            name=name,
            beta=betas[name],
            towards=exemplars[name],
            label=labels.get(name, ""),
            label_towards=texts.get(labels.get(name, "")),
            concept=concepts.get(name),
        )
        for name in features
    ]


def stamp_of(directory: RunDirectory, *others: Any) -> str:
    """A hash of all that measurements depend on beside the clips."""
    parts = [directory.digest("corpus", "sae", "features", "exemplars", "labels"), *others]
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()
