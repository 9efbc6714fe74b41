"""Products over (frame, latent) pairs: what a step needs of the dense ones if k ≪ n.

Frame t has k latents j with a value z_tj. With P the set of all these pairs:

    combined_t = Σ_{j: (t, j) ∈ P} z_tj W_j        `combine`: a gather of k rows per frame
    dots_tj    = ⟨x_t, W_j⟩ for (t, j) ∈ P         `dots`
    summed_j   = Σ_{t: (t, j) ∈ P} z_tj x_t        `Pairs.summed`: pairs sorted by latent, then the
                                                   same gather, of frames

These are a forward and a backward pass of an SAE: d/dz is `dots`, d/dW is `summed`. Each takes
2 d k operations per frame instead of 2 d n. `combine` and `summed` are torch's `embedding_bag`
(a product with a CSR matrix gives the same numbers in twice the time), `dots` is a sampled product
on a CPU and the operation of `embedding_bag`'s backward pass on a GPU. All add in a fixed order:
the same bytes every time for the same number of threads.
"""

from __future__ import annotations

import warnings
from functools import cache, cached_property
from threading import Lock
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


def combine(values: Tensor, indices: Tensor, rows: Tensor) -> Tensor:
    """Σ_j z_tj W_j, [frame, d], for values and indices [frame, k] and rows W [latent, d]."""
    return F.embedding_bag(indices, rows, per_sample_weights=values, mode="sum")


_FILTERS = Lock()


@cache
def _allow_csr() -> None:
    """Take torch's warning, once per process, that CSR tensors are new."""
    # Two threads that change and restore the filters at once would leave them changed.
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        torch.zeros(1, 1).to_sparse_csr()


def dots(x: Tensor, rows: Tensor, indices: Tensor) -> Tensor:
    """⟨x_t, W_j⟩, [frame, k], for the pairs of `indices` [frame, k]."""
    return dots_by_bags(x, rows, indices) if x.is_cuda else dots_by_samples(x, rows, indices)


def dots_by_samples(x: Tensor, rows: Tensor, indices: Tensor) -> Tensor:
    """`dots` as a product sampled at the pairs, the faster on a CPU."""
    frames, k = indices.shape
    _allow_csr()
    flat = indices.flatten()
    starts = torch.arange(0, frames * k + 1, k, dtype=flat.dtype)
    places = torch.sparse_csr_tensor(
        starts, flat, torch.zeros(len(flat)), (frames, len(rows)), check_invariants=False
    )
    found: Tensor = torch.sparse.sampled_addmm(places, x, rows.T, beta=0.0).values()
    return found.view(frames, k)


def dots_by_bags(x: Tensor, rows: Tensor, indices: Tensor) -> Tensor:
    """`dots` as what it is to `combine`: the derivative by its values."""
    frames, k = indices.shape
    flat = indices.flatten()
    starts = torch.arange(0, frames * k, k, dtype=flat.dtype, device=flat.device)
    frame = torch.arange(frames, dtype=flat.dtype, device=flat.device).repeat_interleave(k)
    found: Tensor = torch.ops.aten._embedding_bag_per_sample_weights_backward(
        x.contiguous(), rows, flat, starts, frame, 0, -1
    )
    return found.view(frames, k)


class Pairs:
    """The pairs of `indices` [frame, k] among `n_latents`, sorted by latent when first needed."""

    def __init__(self, indices: Tensor, n_latents: int) -> None:
        # Half the width, half the traffic: the tables have fewer than 2³¹ rows.
        self.indices = indices.int()
        self.n_latents = n_latents

    @cached_property
    def _by_latent(self) -> tuple[Tensor, Tensor, Tensor]:
        """Order of the pairs, their frames, and the first pair of each latent."""
        latents, order = self.indices.flatten().sort(stable=True)
        counts = torch.bincount(latents, minlength=self.n_latents)
        starts = (counts.cumsum(0) - counts).int()
        return order, (order // self.indices.shape[1]).int(), starts

    def summed(self, values: Tensor, x: Tensor) -> Tensor:
        """Σ_t z_tj x_t, [latent, d]; 0 for a latent without a pair."""
        order, frames, starts = self._by_latent
        weights = values.flatten()[order]
        return F.embedding_bag(frames, x, starts, per_sample_weights=weights, mode="sum")


class Encode(torch.autograd.Function):
    """Pre-activations of the pairs, [frame, k], whose values are already known.

    Backward: for g = d loss / d pre-activation, d b_enc = Σ_t g_tj, d W_j = Σ_t g_tj (x_t − b_dec),
    d b_dec = −Σ_tj g_tj W_j.
    """

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, centred: Tensor, rows: Tensor, b_enc: Tensor, b_dec: Tensor,
        pairs: Pairs,
    ) -> Tensor:  # fmt: skip
        ctx.save_for_backward(centred, rows)
        ctx.pairs = pairs
        return values.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        centred, rows = ctx.saved_tensors
        # A column of ones would give both sums at once, but copy the frames.
        d_rows = ctx.pairs.summed(gradient, centred)
        d_b_enc = ctx.pairs.summed(gradient, torch.ones_like(centred[:, :1]))[:, 0]
        return None, None, d_rows, d_b_enc, -(d_b_enc @ rows), None


class Combine(torch.autograd.Function):
    """`combine`, whose gradient by the rows is summed over pairs sorted by latent."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, rows: Tensor, pairs: Pairs) -> Tensor:
        ctx.save_for_backward(values, rows)
        ctx.pairs = pairs
        return combine(values, pairs.indices, rows)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        values, rows = ctx.saved_tensors
        gradient = gradient.contiguous()
        d_values = dots(gradient, rows, ctx.pairs.indices)
        return d_values, ctx.pairs.summed(values, gradient), None
