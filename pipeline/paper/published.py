"""The paper's own numbers, to stand beside those of a run (arXiv 2505.18186)."""

from __future__ import annotations

from typing import NamedTuple

TRACKS = 160_000
"""Clips of MusicSet, approximately; about 10 s each."""
CORPUS = "MusicSet (MTG-Jamendo, MusicCaps and MusicBench)"
CLIP_SECONDS = 10.0
TOTAL = 4697
"""Features kept, over all SAEs of Table 1."""

LAYERS = {"MusicGen large": (2, 12, 24, 36, 46), "MusicGen small": (2, 6, 12, 18, 22)}

_LARGE_AND_SMALL = {
    # (expansion, k): one number per layer of the large model, then of the small one.
    (4, 32): ((12, 0, 4, 4, 3), (0, 0, 0, 0, 0)),
    (32, 32): ((30, 117, 149, 135, 71), (3, 7, 4, 7, 9)),
    (4, 100): ((407, 109, 147, 28, 25), (6, 3, 0, 0, 0)),
    (32, 100): ((2344, 222, 412, 131, 177), (59, 47, 4, 4, 17)),
}


class Kept(NamedTuple):
    """One number of the paper's Table 1."""

    model: str
    layer: int
    expansion: int
    k: int
    kept: int


TABLE_1 = tuple(
    Kept(model, layer, expansion, k, kept)
    for (expansion, k), rows in _LARGE_AND_SMALL.items()
    for (model, layers), row in zip(LAYERS.items(), rows, strict=True)
    for layer, kept in zip(layers, row, strict=True)
)


class Improved(NamedTuple):
    """One row of the paper's Table 2: features whose CLAP similarity to their exemplars grew."""

    model: str
    layer: int
    expansion: int
    k: int
    improved: int
    features: int


TABLE_2 = tuple(
    Improved("MusicGen large", layer, 32, k, improved, features)
    for k, layer, improved, features in (
        (100, 24, 96, 408),
        (100, 36, 46, 131),
        (100, 46, 27, 177),
        (32, 24, 44, 149),
        (32, 36, 39, 135),
        (32, 46, 16, 71),
    )
)

PROBE = {"MusicGen large": (50.29, 3.41), "MusicGen small": (40.51, 3.60)}
"""Accuracy of the layer-of-origin probe in per cent, ±. The paper does not say what ± is."""
