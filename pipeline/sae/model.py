"""The top-k sparse autoencoder.

h = ReLU(W_e (x − b_dec) + b_e), all but the k largest set to 0, x̂ = W_d h + b_dec (Gao et al.,
arXiv 2406.04093; Singh, Cherep and Maes, arXiv 2505.18186). Rows of the decoder have unit norm.

Latents are handed on sparsely, as `values` and `indices` [..., k]: a dense [frame, latent] array
of a whole corpus would not fit. Both weights are held as [latent, d], whose rows are directions.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Latents(NamedTuple):
    """The k strongest latents of each frame, in no order; a value may be 0."""

    values: Tensor
    """[frame, k], ≥ 0."""
    indices: Tensor
    """[frame, k] int64."""

    def dense(self, n_latents: int) -> Tensor:
        """All latents [frame, latent], zeros included: for a few frames only."""
        empty = self.values.new_zeros(len(self.values), n_latents)
        return empty.scatter(1, self.indices, self.values)


class TopKSae(nn.Module):
    """A top-k SAE of `n_latents` directions in `width` dimensions."""

    def __init__(self, width: int, n_latents: int, k: int) -> None:
        super().__init__()
        self.k = k
        self.encoder = nn.Parameter(torch.zeros(n_latents, width))
        self.encoder_bias = nn.Parameter(torch.zeros(n_latents))
        self.decoder = nn.Parameter(torch.zeros(n_latents, width))
        self.centre = nn.Parameter(torch.zeros(width))

    @property
    def n_latents(self) -> int:
        """Directions of the dictionary."""
        return self.decoder.shape[0]

    def preactivations(self, x: Tensor) -> Tensor:
        """What the ReLU gets, [frame, latent], for activations [frame, d]."""
        # The centre's gradient goes through the bias: a product [latent] in place of one [frame, d]
        # that would only be summed. The added difference is 0.
        bias = self.encoder_bias - self.encoder @ (self.centre - self.centre.detach())
        return torch.addmm(bias, (x - self.centre).detach(), self.encoder.T)

    def keep_top(self, preactivations: Tensor) -> Latents:
        """The k largest a frame, after the ReLU."""
        values, indices = preactivations.topk(self.k, dim=1, sorted=False)
        return Latents(values.relu(), indices)

    def encode(self, x: Tensor) -> Latents:
        """Latents of activations [frame, d]."""
        return self.keep_top(self.preactivations(x))

    def combine(self, latents: Latents) -> Tensor:
        """Sum of decoder rows weighted by the latents, [frame, d], without the centre."""
        return F.embedding_bag(
            latents.indices, self.decoder, per_sample_weights=latents.values, mode="sum"
        )

    def decode(self, latents: Latents) -> Tensor:
        """Reconstruction [frame, d]."""
        return self.combine(latents) + self.centre

    def initialise(self, generator: torch.Generator, centre: Tensor) -> None:
        """Random unit directions, the encoder tied to them at the start, the given centre [d]."""
        with torch.no_grad():
            self.decoder.normal_(generator=generator)
            self.normalise_decoder()
            self.encoder.copy_(self.decoder)
            self.encoder_bias.zero_()
            self.centre.copy_(centre)

    @torch.no_grad()
    def normalise_decoder(self) -> None:
        """Bring each decoder row back to unit norm."""
        self.decoder.div_(self.decoder.norm(dim=1, keepdim=True).clamp_min(1e-12))

    @torch.no_grad()
    def project_decoder_gradient(self) -> None:
        """Take from the gradient what would only lengthen or shorten a row.

        Without it Adam spends its step sizes on a change that the normalisation undoes.
        """
        if self.decoder.grad is not None:
            along = (self.decoder.grad * self.decoder).sum(dim=1, keepdim=True)
            self.decoder.grad.sub_(along * self.decoder)


def geometric_median(points: Tensor, *, steps: int = 64, tolerance: float = 1e-6) -> Tensor:
    """The point with the least sum of distances to `points` [point, d]: Weiszfeld's iteration.

    Unlike the mean it is not dragged along by a few activations of great norm.
    """
    centre = points.mean(dim=0)
    for _ in range(steps):
        weights = 1.0 / (points - centre).norm(dim=1).clamp_min(1e-8)
        new = (weights[:, None] * points).sum(dim=0) / weights.sum()
        moved = (new - centre).norm()
        centre = new
        if moved <= tolerance * centre.norm().clamp_min(1e-12):
            break
    return centre
