"""TopK of long rows."""

from __future__ import annotations

import torch
from torch import Tensor

GROUP = 16
"""Latents that are compared by their largest first."""


def largest(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Values and indices of the k largest per row of `scores` [frame, latent], [frame, k], in no
    particular order; of equal ones any.

    A latent of the top k is in a group whose largest is among the k largest of all groups: the
    maxima of n / 16 groups are ranked, then the 16 k latents of the k best groups. Maxima take one
    fast pass over the row, so that this is faster than ranking all n if n ≫ 16 k.
    """
    n = scores.shape[1]
    if n % GROUP or n < 4 * GROUP * k:
        values, indices = scores.topk(k, dim=1, sorted=False)
        return values, indices
    # Group g holds the latents g, g + n / 16, …: so the maxima are those of 16 contiguous rows.
    groups = n // GROUP
    best = scores.view(len(scores), GROUP, groups).amax(dim=1).topk(k, dim=1, sorted=False).indices
    inside = torch.arange(0, n, groups, device=scores.device)
    members = (best[:, None, :] + inside[:, None]).flatten(1)
    values, places = scores.gather(1, members).topk(k, dim=1, sorted=False)
    return values, members.gather(1, places)
