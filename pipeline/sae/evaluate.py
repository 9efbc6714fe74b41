"""How well an SAE reconstructs frames that it was not trained on.

*FVU*, the fraction of variance unexplained: SSE / SST, with SSE = Σ_t ‖x_t − x̂_t‖² and
SST = Σ_t ‖x_t − x̄‖², both summed over all frames t and dimensions, and x̄ the mean of the same
frames. 1 − FVU is the explained variance. As a ratio of sums it weighs each dimension by its
variance, and does not depend on unit or scale; it is not the mean of ratios per frame or per
dimension that some libraries call by the same name.
*L0*: the mean over frames of the number of latents above 0; at most k.
*Dead share*: the number of latents that are above 0 in none of the frames, over n.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from pipeline.store.activations import ShardFacts, shard_paths
from pipeline.store.run_directory import RunDirectory

if TYPE_CHECKING:
    from pipeline.sae.model import TopKSae

FRAMES_AT_ONCE = 1024
"""Frames whose dense pre-activations [frame, latent] are in memory together."""


@dataclass(frozen=True)
class HeldOut:
    """An SAE's figures on frames that it was not trained on; see the module."""

    frames: int
    fvu: float
    l0: float
    dead_share: float


def evaluate(sae: TopKSae, frames: Iterable[Tensor], *, scale: float = 1.0) -> HeldOut | None:
    """FVU, L0 and dead share of `sae` over all `frames`, given in parts [frame, d] of raw
    activations.

    The SAE reads them divided by `scale`. None if there is no frame, or if all frames are equal,
    so that SST is 0.
    """
    device = sae.W_dec.device
    error, squares = 0.0, 0.0
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
                # 1) SSE. Each `float` waits for the GPU, once per `FRAMES_AT_ONCE` frames.
                error += float((x - sae.decode(latents)).double().square().sum())
                # 2) The sums for SST.
                about = (x - sae.b_dec).double()
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
    )


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
