"""The reference: dense products, their gradients by autograd. Short, and easy to believe.

Slow if k ≪ n, since the matrices [frame, latent] are then nearly all 0. Where k is a large share of
the latents, as in AuxK with few dead ones, it is the fastest (`DENSE_SHARE`).
"""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.sae.kernels.base import Encoder
from pipeline.sae.model import Latents

DENSE_SHARE = 1 / 6
"""Share of the latents from which dense products are faster than sums over pairs. A processor does
about six times as many operations per second in a dense product."""


class Dense:
    """Every product in full."""

    def scores(self, encoder: Encoder, x: Tensor) -> Tensor:
        """(x − b_dec) W_enc + b_enc, [frame, latent]."""
        rows, b_enc, b_dec = encoder
        # The first line adds 0 to b_enc. It is there for the gradient of b_dec, which would
        # otherwise flow through (x − b_dec) as a [frame, d] matrix that is only summed over frames.
        bias = b_enc - rows @ (b_dec - b_dec.detach())
        return torch.addmm(bias, (x - b_dec).detach(), rows.T)

    def top(self, encoder: Encoder, x: Tensor, scores: Tensor, k: int) -> Latents:
        """TopK, then ReLU."""
        values, indices = scores.topk(k, dim=1, sorted=False)
        return Latents(values.relu(), indices)

    def combine(self, latents: Latents, directions: Tensor) -> Tensor:
        """A product over all latents, zeros included."""
        return latents.dense(len(directions)) @ directions
