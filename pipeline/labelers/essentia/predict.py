"""Runs the models: first a sound's embeddings, then all heads that use them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import PipelineError
from pipeline.labelers.essentia.metadata import Embedding, Head

Floats32 = npt.NDArray[np.float32]


class Predictors:
    """The models' graphs, loaded once. Essentia itself would accept a predictor without a graph."""

    def __init__(self, folder: Path, heads: Sequence[Head]) -> None:
        # Silence TensorFlow's messages about missing GPUs.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import essentia
        import essentia.standard as standard

        essentia.log.warningActive = False
        essentia.log.infoActive = False
        self.heads = tuple(heads)
        self._embed: dict[Embedding, Any] = {}
        self._classify: dict[Head, Any] = {}
        for head in self.heads:
            base = head.embedding
            if base not in self._embed:
                self._embed[base] = _made(
                    getattr(standard, base.algorithm), folder / f"{base.name}.pb",
                    input=base.input, output=base.output, lastPatchMode="repeat",
                )  # fmt: skip
            self._classify[head] = _made(
                standard.TensorflowPredict2D, folder / f"{head.name}.pb",
                input=head.input, output=head.output,
            )  # fmt: skip

    @property
    def sample_rates(self) -> set[int]:
        """The sample rates that the embedding models expect, in Hz."""
        return {base.sample_rate for base in self._embed}

    def tags(self, sounds: dict[int, Floats32]) -> dict[str, Floats32]:
        """Probabilities [class] of each head, averaged over the sound's patches.

        `sounds`: the same sound [sample] at each of `sample_rates`. Raises `PipelineError` if a
        head's output does not match its classes.
        """
        embedded = {
            base: np.asarray(embed(sounds[base.sample_rate]), dtype=np.float32)
            for base, embed in self._embed.items()
        }
        found = {}
        for head, classify in self._classify.items():
            rows = np.ascontiguousarray(as_matrix(embedded[head.embedding], head.width))
            predicted = np.asarray(classify(rows), dtype=np.float32)
            if predicted.ndim != 2 or predicted.shape[1] != len(head.classes):
                raise PipelineError(
                    f"Essentia's {head.name} gave an array of shape {predicted.shape}, but its "
                    f"JSON lists {len(head.classes)} classes"
                )
            found[head.name] = predicted.mean(axis=0)
        return found


def _made(algorithm: Any, graph: Path, **settings: str) -> Any:
    """A predictor with its graph; raises `PipelineError` if the graph does not fit its JSON."""
    try:
        return algorithm(graphFilename=str(graph), **settings)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise PipelineError(f"Essentia's graph {graph} does not fit its JSON: {reason}") from error


def as_matrix(embedded: Floats32, width: int) -> Floats32:
    """Embeddings [patch, width] in the form that a head expects.

    MAEST gives [patch, 1, token, width]; its first two tokens represent the whole patch, the others
    positions in it. A head that is three times as wide gets the first two tokens and the mean of
    the others, concatenated; any other head gets the mean over all tokens.
    """
    if embedded.ndim == 2:
        return embedded
    tokens = embedded.reshape(len(embedded), -1, embedded.shape[-1])
    if width == 3 * tokens.shape[-1]:
        return np.concatenate([tokens[:, 0], tokens[:, 1], tokens[:, 2:].mean(axis=1)], axis=1)
    return np.asarray(tokens.mean(axis=1), dtype=np.float32)
