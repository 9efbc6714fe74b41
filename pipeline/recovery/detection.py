"""The feature that found a concept: chosen on train tracks, graded on test tracks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.artifacts import RunDirectory
from pipeline.auroc import auroc, auroc_matrix, average_precision
from pipeline.errors import PipelineError
from pipeline.recovery.planted import Planted, split_mask
from pipeline.sae.names import feature_key


@dataclass(frozen=True)
class Detection:
    """A feature as a detector of a concept, by its mean activation in a track."""

    feature: str
    train_auroc: float
    """On train tracks, where it was the best of all candidates: flattered by the choice."""
    auroc: float
    """On test tracks."""
    low: float
    high: float
    interval: str
    """Kind of the interval from low to high, 95 %."""
    average_precision: float
    """On test tracks."""


@dataclass(frozen=True)
class _Candidates:
    """Mean activations of every latent that fires on train tracks, SAEs side by side."""

    features: list[str]
    train: np.ndarray
    """[track, candidate]."""
    test: np.ndarray
    """[track, candidate]."""
    train_tracks: list[str]
    test_tracks: list[str]


def detections(directory: RunDirectory, concepts: Sequence[Planted]) -> dict[str, Detection]:
    """The best feature of each gradable concept, by the concept's name."""
    candidates = _candidates(directory)
    gradable = [concept for concept in concepts if concept.gradable()]
    if not gradable:
        return {}
    positive = np.stack([c.present(candidates.train_tracks, "train") for c in gradable], axis=1)
    on_train = auroc_matrix(candidates.train, positive)
    return {
        concept.name: _grade(concept, candidates, on_train[row])
        for row, concept in enumerate(gradable)
    }


def _grade(concept: Planted, candidates: _Candidates, on_train: np.ndarray) -> Detection:
    best = int(np.argmax(on_train))
    scores = candidates.test[:, best]
    present = concept.present(candidates.test_tracks, "test")
    graded = auroc(scores, present)
    return Detection(
        feature=candidates.features[best],
        train_auroc=float(on_train[best]),
        auroc=graded.value,
        low=graded.low,
        high=graded.high,
        interval=graded.interval,
        average_precision=average_precision(scores, present),
    )


def _candidates(directory: RunDirectory) -> _Candidates:
    features: list[str] = []
    train: list[np.ndarray] = []
    test: list[np.ndarray] = []
    names: list[str] = []
    for sae in directory.sae_names():
        tensors, metadata = directory.read_tensors(f"features/{sae}.activations.safetensors")
        names = json.loads(metadata["tracks"])
        in_train = split_mask(directory, names, "train")
        in_test = split_mask(directory, names, "test")
        alive = np.flatnonzero(tensors["max"][in_train].max(axis=0) > 0)
        features.extend(feature_key(sae, int(index)) for index in alive)
        train.append(tensors["mean"][in_train][:, alive])
        test.append(tensors["mean"][in_test][:, alive])
    if not features:
        raise PipelineError(f"no latent of {directory.path} fires on any train track")
    return _Candidates(
        features,
        np.concatenate(train, axis=1),
        np.concatenate(test, axis=1),
        [name for name, inside in zip(names, in_train, strict=True) if inside],
        [name for name, inside in zip(names, in_test, strict=True) if inside],
    )
