"""How well an SAE reconstructs frames that it was not trained on.

*FVU*, the fraction of variance unexplained: SSE / SST, with SSE = Σ_t ‖x_t − x̂_t‖² and
SST = Σ_t ‖x_t − x̄‖², both summed over all frames t and dimensions, and x̄ the mean of these very
frames. 1 − FVU is the variance explained. A ratio of sums, so a dimension counts by its variance,
and neither unit nor scale matters.
*L0*: the mean over frames of how many latents are above 0; at most k.
*Dead share*: the latents that are above 0 in none of the frames, over all latents.
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
    """An SAE on frames that it did not learn from; see the module."""

    frames: int
    fvu: float
    l0: float
    dead_share: float


def evaluate(sae: TopKSae, frames: Iterable[Tensor], *, scale: float = 1.0) -> HeldOut | None:
    """FVU, L0 and dead share of `sae` over all `frames`, parts of [frame, d] raw activations.

    The SAE reads them divided by `scale`. None if there is no frame, or if all are the same.
    """
    device = sae.decoder.device
    error, squares = 0.0, 0.0
    # About the SAE's centre, since the difference of two large sums would lose its digits.
    total = torch.zeros(sae.decoder.shape[1], dtype=torch.float64, device=device)
    fired = torch.zeros(sae.n_latents, dtype=torch.int64, device=device)
    count = 0
    with torch.inference_mode():
        for part in frames:
            for rows in torch.split(part, FRAMES_AT_ONCE):
                x = rows.to(device, torch.float32) / scale
                latents = sae.encode(x)
                error += float((x - sae.decode(latents)).double().square().sum())
                about = (x - sae.centre).double()
                squares += float(about.square().sum())
                total += about.sum(dim=0)
                fired += torch.bincount(
                    latents.indices[latents.values > 0], minlength=sae.n_latents
                )
                count += len(x)
    # Σ‖x − x̄‖² = Σ‖x − c‖² − N ‖x̄ − c‖²
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
    """The raw activations of `tracks` at a hookpoint, [frame, d] float16, a shard at a time.

    Other tracks' are not read: they are most of a corpus, and every SAE asks again.
    """
    for path in shard_paths(directory, hookpoint):
        facts = ShardFacts.from_metadata(directory.read_metadata(path))
        rows = [place for place, track in enumerate(facts.tracks) if track in tracks]
        if rows:
            found = [directory.read_row(path, "activations", row) for row in rows]
            yield torch.from_numpy(np.stack(found)).flatten(0, 1)
