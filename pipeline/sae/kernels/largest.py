"""TopK of long rows."""

from __future__ import annotations

import torch
from torch import Tensor

GROUP = 8
"""Latents that are compared by their largest first."""
SIGNED = {torch.float32: (torch.int32, 31), torch.bfloat16: (torch.int16, 15)}
"""The integers of the same width, and the place of the sign in them."""


def largest(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Values and indices of the k largest per row of `scores` [frame, latent], [frame, k], in no
    particular order; of equal ones any.

    A latent of the top k is in a group whose largest is among the k largest of all groups: the
    maxima of n / 8 groups are ranked (in groups again, if they are many), then the 8 k latents of
    the k best groups. Maxima take one fast pass over the row, so that this is faster than ranking
    all n if n ≫ 8 k.
    """
    n = scores.shape[1]
    if n % GROUP or n < 8 * GROUP * k:
        indices = _top(scores, k)
        return scores.gather(1, indices), indices
    # Group g holds the latents g, g + n / 8, …: so the maxima are those of 8 contiguous rows.
    groups = n // GROUP
    _, best = largest(scores.view(len(scores), GROUP, groups).amax(dim=1), k)
    inside = torch.arange(0, n, groups, device=scores.device)
    members = (best[:, None, :] + inside[:, None]).flatten(1)
    values = scores.gather(1, members)
    places = _top(values, k)
    return values.gather(1, places), members.gather(1, places)


def _top(scores: Tensor, k: int) -> Tensor:
    """Places of the k largest per row, by integers of the same order.

    torch takes two thirds of the time for them, since an integer cannot be NaN. Read as integers,
    floats of either sign are in the order of their size, the negative ones backwards: inverting the
    bits below the sign turns these round.
    """
    if scores.dtype in SIGNED:
        kind, sign = SIGNED[scores.dtype]
        bits = scores.view(kind)
        scores = bits ^ ((bits >> sign) & torch.iinfo(kind).max)
    return scores.topk(k, dim=1, sorted=False).indices
