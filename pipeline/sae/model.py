"""The top-k sparse autoencoder.

For activations x [frame, d], in the row convention of SAELens, whose names these are:

    z = ReLU(TopK((x − b_dec) W_enc + b_enc))    [frame, n], at most k of each row over 0
    x̂ = z W_dec + b_dec                          [frame, d]

Shapes: W_enc [d, n], b_enc [n], W_dec [n, d], b_dec [d]; d is the width of the residual stream, n
the number of latents. Row j of W_dec is the direction that latent j writes, and has unit norm.
Sources: Gao et al. (2024), "Scaling and evaluating sparse autoencoders", arXiv 2406.04093, section
2.3 (top-k in place of an L1 penalty; their b_pre is b_dec here); Bricken et al. (2023), "Towards
Monosemanticity" (b_dec subtracted before the encoder, unit-norm decoder); Singh, Cherep and Maes,
arXiv 2505.18186 (the same architecture on MusicGen's residual stream).

Latents are returned sparsely, as `values` and `indices` [frame, k]: a dense [frame, n] array of a
whole corpus would not fit into memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Latents(NamedTuple):
    """The latents of each frame that are not 0, and as many more as make rows of equal length."""

    values: Tensor
    """[frame, k], ≥ 0, in units of the activations that were encoded; in no particular order."""
    indices: Tensor
    """[frame, k] int64, from 0 to n − 1."""

    def dense(self, n_latents: int) -> Tensor:
        """All latents [frame, n], zeros included: for a few frames only."""
        empty = self.values.new_zeros(len(self.values), n_latents)
        return empty.scatter(1, self.indices, self.values)


class TopKSae(nn.Module):
    """A top-k SAE of `n_latents` directions in `width` dimensions; formula and shapes above."""

    def __init__(self, width: int, n_latents: int, k: int) -> None:
        super().__init__()
        self.k = k
        # W_enc has shape [d, n] and lies in memory as [n, d], like W_dec: both products below, and
        # the start W_enc = W_decᵀ, then read whole directions from contiguous memory.
        self.W_enc = nn.Parameter(torch.zeros(n_latents, width).T)
        self.b_enc = nn.Parameter(torch.zeros(n_latents))
        self.W_dec = nn.Parameter(torch.zeros(n_latents, width))
        self.b_dec = nn.Parameter(torch.zeros(width))

    @property
    def n_latents(self) -> int:
        """n, the number of directions in the dictionary."""
        return self.W_dec.shape[0]

    def preactivations(self, x: Tensor) -> Tensor:
        """(x − b_dec) W_enc + b_enc, [frame, n], for activations [frame, d]."""
        return torch.addmm(self.b_enc, x - self.b_dec, self.W_enc)

    def keep(self, preactivations: Tensor) -> Latents:
        """TopK, then ReLU: the k largest per frame, [frame, k], those under 0 set to 0.

        ReLU first and then TopK, as papers also write it, gives the same latents. A frame with
        fewer than k positive pre-activations has fewer than k active latents.
        """
        values, indices = preactivations.topk(self.k, dim=1, sorted=False)
        return Latents(values.relu(), indices)

    def encode(self, x: Tensor) -> Latents:
        """z, the latents of activations x [frame, d]."""
        return self.keep(self.preactivations(x))

    def combine(self, latents: Latents) -> Tensor:
        """z W_dec, [frame, d]: rows of W_dec weighted by the latents, b_dec not yet added.

        `embedding_bag` gathers k rows per frame; a dense product would read all n.
        """
        return F.embedding_bag(
            latents.indices, self.W_dec, per_sample_weights=latents.values, mode="sum"
        )

    def decode(self, latents: Latents) -> Tensor:
        """x̂ = z W_dec + b_dec, the reconstruction [frame, d]."""
        return self.combine(latents) + self.b_dec

    def release_decoder(self) -> None:
        """Free W_dec, which encoding does not read: at d 2,048 and n 65,536, half a gigabyte."""
        self.W_dec = nn.Parameter(self.W_dec.new_empty(self.n_latents, 0), requires_grad=False)

    def in_units_of(self, x: Tensor, y: Tensor) -> Tensor:
        """A reconstruction y [frame, d] of the frames x in the units of x: y, since this SAE does
        not normalise frames; others do (`pipeline.sae.adopted`)."""
        return y

    def initialise(self, generator: torch.Generator, b_dec: Tensor) -> None:
        """Initial weights, after the appendix of Gao et al.; `b_dec` [d] is given.

        Deviation: their code then divides the encoder by the norm of a reconstruction of random
        unit vectors (and says that no benefit was found); here the encoder stays W_decᵀ unless the
        config asks for `fit_scale`.
        """
        with torch.no_grad():
            # 1) Directions uniform on the sphere: normal draws, normalised.
            self.W_dec.normal_(generator=generator)
            self.normalise_decoder()
            # 2) Tied start: each latent reads the direction that it writes. Beside AuxK this
            #    is what Gao et al. do against dead latents (section 2.4). Training unties the two.
            self.W_enc.copy_(self.W_dec.T)
            self.b_enc.zero_()
            # 3) x − b_dec is centred from the first step on.
            self.b_dec.copy_(b_dec)

    @torch.no_grad()
    def fit_scale(self, parts: Iterable[Tensor]) -> None:
        """Multiply the encoder by ⟨x − b_dec, x̂ − b_dec⟩ / ‖x̂ − b_dec‖² over frames x, given in
        parts [frame, d]: the factor that makes the reconstructions' error the smallest.

        The k largest of n random projections are large, so that a tied start overshoots, the more
        the larger k ln(n / k) / d is. On synthetic frames (`benchmarks.sae.world`) the factor is
        0.50 at d 128, n 4,096, k 16, and 0.60 at d 256, n 16,384, k 16.
        """
        along, square = 0.0, 0.0
        for x in parts:
            restored = self.combine(self.encode(x))
            along += float(((x - self.b_dec) * restored).sum())
            square += float(restored.square().sum())
        if along > 0:
            self.W_enc.mul_(along / square)

    @torch.no_grad()
    def normalise_decoder(self) -> None:
        """Bring each row of W_dec back to unit norm, after every step.

        Otherwise a latent's value means nothing: W_enc could shrink it and W_dec undo that.
        """
        self.W_dec.div_(self.W_dec.norm(dim=1, keepdim=True).clamp_min(1e-12))

    @torch.no_grad()
    def project_decoder_gradient(self) -> None:
        """Remove from the gradient g of each unit row w what is parallel to it: g − (g·w) w.

        That part would only lengthen or shorten the row, which the normalisation undoes; left in,
        it would still enter Adam's moments and waste step size (Bricken et al., 2023).
        """
        if self.W_dec.grad is not None:
            along = torch.linalg.vecdot(self.W_dec.grad, self.W_dec)[:, None]
            self.W_dec.grad.addcmul_(along, self.W_dec, value=-1)


class ThresholdSae(TopKSae):
    """An SAE whose latents fire above a stored threshold each, however many that are (JumpReLU):

        z = ReLU(y) · (y > θ)    for pre-activations y = (x − b_dec) W_enc + b_enc

    θ has shape [n]. A frame's latents depend on that frame only, also if the SAE was trained with
    the k largest of a whole batch. `k` is the number per frame that it was trained for.
    """

    def __init__(self, width: int, n_latents: int, k: int) -> None:
        super().__init__(width, n_latents, k)
        self.register_buffer("threshold", torch.zeros(n_latents))
        self.threshold: Tensor

    def keep(self, preactivations: Tensor) -> Latents:
        """All latents over their thresholds, [frame, most in any of these frames]; frames with
        fewer are filled up with zeros."""
        over = torch.where(preactivations > self.threshold, preactivations.relu(), 0.0)
        most = int((over > 0).sum(dim=1).max()) if len(over) else 0
        values, indices = over.topk(max(1, most), dim=1, sorted=False)
        return Latents(values, indices)


def geometric_median(points: Tensor, *, steps: int = 64, tolerance: float = 1e-6) -> Tensor:
    """argmin_c Σ ‖p − c‖ over `points` [point, d], the result [d]; the start of b_dec.

    Weiszfeld's iteration (1937): the mean weighted by 1 / distance, until it moves by less than
    `tolerance` of its norm. A few activations of very large norm, which transformers have, pull the
    mean towards them and hardly move this (Bricken et al., 2023, and Gao et al. also start from
    it).
    """
    median = points.mean(dim=0)
    for _ in range(steps):
        # A point that coincides with the median would have an infinite weight.
        weights = 1.0 / (points - median).norm(dim=1).clamp_min(1e-8)
        new = (weights[:, None] * points).sum(dim=0) / weights.sum()
        moved = (new - median).norm()
        median = new
        if moved <= tolerance * median.norm().clamp_min(1e-12):
            break
    return median
