"""How well an SAE reconstructs frames that it was not trained on.

*FVU*, the fraction of variance unexplained: SSE / SST, with SSE = Σ_t ‖x_t − x̂_t‖² and
SST = Σ_t ‖x_t − x̄‖², both summed over all frames t and dimensions, and x̄ the mean of the same
frames. 1 − FVU is the explained variance. As a ratio of sums it weighs each dimension by its
variance, and does not depend on unit or scale; it is not the mean of ratios per frame or per
dimension that some libraries call by the same name.
*L0*: the mean over frames of the number of latents above 0; at most k.
*Density* of a latent: the share of the frames in which it is above 0. *Dead share*: latents of
density 0, over n. *Dense share*: latents of a density over `DENSE`, over n.
*Cosine*: the mean over frames of the cosine between x − b_dec and x̂ − b_dec. Without subtracting
b_dec it would be near 1 for any SAE, since activations lie far from the origin.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.store.activations import ShardFacts, shard_paths
from pipeline.store.run_directory import RunDirectory

if TYPE_CHECKING:
    from pipeline.sae.model import TopKSae

FRAMES_AT_ONCE = 1024
"""Frames whose dense pre-activations [frame, latent] are in memory together."""


DENSE = 0.1
"""Density over which a latent counts as dense."""
DENSITY_EDGES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Upper edges, inclusive, of the density histogram's bins; the first begins above 0."""


@dataclass(frozen=True)
class HeldOut:
    """An SAE's figures on frames that it was not trained on; see the module."""

    frames: int
    fvu: float
    l0: float
    dead_share: float
    dense_share: float
    cosine: float
    densities: tuple[int, ...]
    """Number of latents in each bin of `DENSITY_EDGES`; dead ones are in none."""


def evaluate(sae: TopKSae, frames: Iterable[Tensor], *, scale: float = 1.0) -> HeldOut | None:
    """The figures of `sae` over all `frames`, given in parts [frame, d] of raw
    activations.

    The SAE reads them divided by `scale`. None if there is no frame, or if all frames are equal,
    so that SST is 0.
    """
    device = sae.W_dec.device
    error, squares, cosines = 0.0, 0.0, 0.0
    # Σ_t (x_t − c) and Σ_t ‖x_t − c‖² about c = b_dec, which lies near x̄: about 0 the difference
    # of two large sums would lose its digits. float64, since there may be 10⁸ terms.
    total = torch.zeros(sae.W_dec.shape[1], dtype=torch.float64, device=device)
    fired = torch.zeros(sae.n_latents, dtype=torch.int64, device=device)
    count = 0
    with torch.inference_mode():
        for part in frames:
            for rows in torch.split(part, FRAMES_AT_ONCE):
                x = rows.to(device, torch.float32) / scale
                latents = sae.encode(x)
                restored = sae.in_units_of(x, sae.decode(latents))
                origin = sae.in_units_of(x, sae.b_dec)
                # 1) SSE. Each `float` waits for the GPU, once per `FRAMES_AT_ONCE` frames.
                error += float((x - restored).double().square().sum())
                # 2) The sums for SST, and the cosines.
                about = (x - sae.b_dec).double()
                cosines += float(
                    F.cosine_similarity((x - origin).double(), (restored - origin).double()).sum()
                )
                squares += float(about.square().sum())
                total += about.sum(dim=0)
                # 3) In how many frames each latent fired, [n].
                fired += torch.bincount(
                    latents.indices[latents.values > 0], minlength=sae.n_latents
                )
                count += len(x)
    # 4) SST = Σ ‖x − c‖² − N ‖x̄ − c‖², Steiner's theorem with N frames.
    spread = squares - float(total.square().sum()) / count if count else 0.0
    if spread <= 0:
        return None
    return HeldOut(
        frames=count,
        fvu=error / spread,
        l0=int(fired.sum()) / count,
        dead_share=float((fired == 0).double().mean()),
        dense_share=float((fired > DENSE * count).double().mean()),
        cosine=cosines / count,
        densities=_histogram(fired.cpu() / count),
    )


def _histogram(density: Tensor) -> tuple[int, ...]:
    """Number of latents in each bin of `DENSITY_EDGES`, for densities [n]."""
    edges = torch.tensor(DENSITY_EDGES, dtype=density.dtype)
    places = torch.bucketize(density[density > 0], edges)
    return tuple(torch.bincount(places, minlength=len(edges)).tolist())


def frames_of_tracks(
    directory: RunDirectory, hookpoint: str, tracks: frozenset[str]
) -> Iterator[Tensor]:
    """The raw activations of `tracks` at a hookpoint, [frame, d] float16, one shard at a time.

    Rows of other tracks are not read from disk: they are most of a corpus, and each SAE reads
    again.
    """
    for path in shard_paths(directory, hookpoint):
        facts = ShardFacts.from_metadata(directory.read_metadata(path))
        rows = [place for place, track in enumerate(facts.tracks) if track in tracks]
        if rows:
            found = [directory.read_row(path, "activations", row) for row in rows]
            yield torch.from_numpy(np.stack(found)).flatten(0, 1)
