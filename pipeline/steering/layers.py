"""Where to add a feature's vector: a search over the decoder's blocks by forward passes alone.

The stream is one space that every block reads from and adds to, so a direction that an SAE found
after one block can be added after another. For each block and feature the score is the output score
of `pipeline.steering.output_score`, KL(p ‖ p') at α = 1 of the next code's distribution, per head;
beside it stands that of random directions of the median β. One block is chosen for all features of
an SAE, the one with the largest mean score over those that are steered: were each feature steered
at its own block, no random directions at one place would be its control.

The vector has the same length everywhere. Streams grow from block to block, so it is a larger part
of the stream early, and passes through more blocks; whether a large move of the heads is the wanted
one is for the evaluation to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from pipeline.progress import Progress
from pipeline.steering.interventions import Material, add, random_pool
from pipeline.steering.output_score import PIECES, divergences, pieces
from pipeline.steering.settings import SEARCH
from pipeline.store.steering_tables import LayerScoreRecord

RANDOM = 8
"""Random directions per block, each as long as the median β."""


def placed(
    subject: Any, material: Material, features: Sequence[str], progress: Progress
) -> tuple[Material, list[LayerScoreRecord]]:
    """The material with the hookpoint that its config asks for, and what a search found.

    Raises `PipelineError` if the config names a block that the subject does not have.
    """
    layer = material.config.layer
    if layer and layer != SEARCH:
        subject.stream.place(layer)
        return replace(material, hookpoint=layer), []
    if not layer or not features:
        return material, []
    found = _searched(subject, material, features, progress)
    chosen = next(one.hookpoint for one in found if one.chosen)
    return replace(material, hookpoint=chosen), found


def _searched(
    subject: Any, material: Material, features: Sequence[str], progress: Progress
) -> list[LayerScoreRecord]:
    """The scores of all blocks and features; the first of equal blocks is chosen."""
    points = [f"decoder.layers.{block}.resid_post" for block in range(subject.facts.n_blocks)]
    codes = pieces(subject, material)
    count = PIECES * len(points) * (len(features) + RANDOM)
    progress.start(f"layers {material.stored.name}", count, "pass")
    scores = [_heads(subject, codes, material, point, features, progress) for point in points]
    progress.finish()
    own = np.stack(scores)[:, : len(features)]  # [block, feature, codebook]
    best = int(own.mean(axis=(1, 2)).argmax())
    return [
        LayerScoreRecord(
            feature=feature,
            hookpoint=point,
            score=float(own[block, place].mean()),
            heads=tuple(own[block, place].tolist()),
            random_score=float(scores[block][len(features) :].mean()),
            chosen=block == best,
        )
        for place, feature in enumerate(features)
        for block, point in enumerate(points)
    ]


def _heads(
    subject: Any,
    codes: Tensor,
    material: Material,
    point: str,
    features: Sequence[str],
    progress: Progress,
) -> np.ndarray:
    """Mean KL [feature then random direction, codebook] of vectors at a hookpoint."""
    there = replace(material, hookpoint=point)
    beta = float(np.median([material.betas[name] for name in features]))
    vectors = [
        *(add(there, name, 1.0) for name in features),
        *(random_pool(there, draw, 1.0, beta) for draw in range(RANDOM)),
    ]
    interventions = [one.interventions[0] for one in vectors]
    return divergences(subject, codes, interventions, progress, by_head=True)
