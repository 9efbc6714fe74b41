"""Reads a model's own JSON: node names, classes, and the embedding model that a head builds on.

Class order and node names differ between models, so none of them is hard-coded here. Every model
consists of two files, `NAME.pb` and `NAME.json`, from https://essentia.upf.edu/models/.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config import EssentiaConfig
from pipeline.errors import PipelineError
from pipeline.files.hashing import of_files
from pipeline.files.text import read_json

VARIABLE = "EARWITNESS_ESSENTIA_MODEL"
WHERE = "https://essentia.upf.edu/models/"
ALGORITHMS = (
    "TensorflowPredictEffnetDiscogs", "TensorflowPredictMusiCNN", "TensorflowPredictMAEST",
)  # fmt: skip
"""Essentia's algorithms that compute embeddings from sound."""
ODD = (KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError)
"""Exceptions that the readers below raise if the JSON has a different form."""
MAEST_LAYER = "7"
"""The layer of MAEST's embeddings that Essentia's documentation recommends."""


@dataclass(frozen=True)
class Embedding:
    """A model that computes embeddings from sound."""

    name: str
    algorithm: str
    input: str
    output: str
    sample_rate: int


@dataclass(frozen=True)
class Head:
    """A classifier on embeddings."""

    name: str
    input: str
    output: str
    classes: tuple[str, ...]
    width: int
    """Width of the embedding that it expects; 0 if its JSON does not say."""
    embedding: Embedding


def folder_of(config: EssentiaConfig) -> Path:
    """The folder with the models; raises `PipelineError` if it is not set or does not exist."""
    named = config.models or os.environ.get(VARIABLE)
    if not named:
        raise PipelineError(
            f"essentia needs its models: set [essentia] models, or {VARIABLE}, to a folder with "
            f"the .pb and .json files from {WHERE}"
        )
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise PipelineError(f"folder of Essentia's models {folder} does not exist")
    return folder


def heads(config: EssentiaConfig) -> list[Head]:
    """The heads of the config, in its order.

    Raises `PipelineError` if a file is missing, saying where it belongs.
    """
    folder = folder_of(config)
    return [_head(folder, name) for name in config.heads]


def fingerprint(config: EssentiaConfig) -> str:
    """SHA-256 over the files of all heads and their embeddings."""
    found = heads(config)
    names = sorted({head.name for head in found} | {head.embedding.name for head in found})
    files = [f"{name}{ending}" for name in names for ending in (".pb", ".json")]
    return of_files(folder_of(config), files)


def _head(folder: Path, name: str) -> Head:
    facts = _facts(folder, name)
    try:
        inference = facts["inference"]
        base = inference["embedding_model"]
        inputs = facts["schema"]["inputs"]
        return Head(
            name=name,
            input=str(inputs[0]["name"]),
            output=_output(facts["schema"]["outputs"], "predictions"),
            classes=_classes(facts["classes"]),
            width=_last(inputs[0].get("shape")),
            embedding=_embedding(folder, str(base["model_name"]), base.get("output")),
        )
    except ODD as error:
        raise PipelineError(f"{folder / name}.json does not describe a head: {error!r}") from error


def _classes(given: Any) -> tuple[str, ...]:
    if not isinstance(given, list) or not given:  # a text would be split into letters
        raise TypeError(f"its classes are {given!r:.60}, not a list")
    return tuple(str(label) for label in given)


def _embedding(folder: Path, name: str, output: str | None) -> Embedding:
    facts = _facts(folder, name)
    try:
        algorithm = str(facts["inference"]["algorithm"])
        if algorithm not in ALGORITHMS:
            raise PipelineError(
                f"{folder / name}.json names algorithm {algorithm!r}; "
                f"known: {', '.join(ALGORITHMS)}"
            )
        return Embedding(
            name=name,
            algorithm=algorithm,
            input=str(facts["schema"]["inputs"][0]["name"]),
            output=output or _output(facts["schema"]["outputs"], "embeddings"),
            sample_rate=int(facts["inference"]["sample_rate"]),
        )
    except ODD as error:
        raise PipelineError(
            f"{folder / name}.json does not describe an embedding model: {error!r}"
        ) from error


def _facts(folder: Path, name: str) -> dict[str, Any]:
    """The JSON of a model; raises `PipelineError` if one of its two files is missing."""
    for ending in (".json", ".pb"):
        path = folder / f"{name}{ending}"
        if not path.is_file():
            raise PipelineError(
                f"Essentia's model file {path.name} is missing: get it from {WHERE} and put it "
                f"into {folder}"
            )
    path = folder / f"{name}.json"
    facts: dict[str, Any] = read_json(path)
    return facts


def _output(outputs: Sequence[dict[str, Any]], purpose: str) -> str:
    """The output node with that purpose; of several, MAEST's recommended layer, else the first."""
    names = [str(one["name"]) for one in outputs if one.get("output_purpose") == purpose]
    if not names:
        raise KeyError(f"an output of purpose {purpose}")
    return next((name for name in names if name.endswith(MAEST_LAYER)), names[0])


def _last(shape: Any) -> int:
    """The last dimension of a shape; 0 if it is not fixed."""
    return int(shape[-1]) if shape and isinstance(shape[-1], int) and shape[-1] > 0 else 0
