"""fp32 throughout; gradients over the k firing latents per frame only."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.sae.kernels.base import Encoder
from pipeline.sae.kernels.largest import largest
from pipeline.sae.kernels.pairs import Combine, Encode, Pairs
from pipeline.sae.model import Latents


class Exact:
    """The dense reference's loss and gradients up to the order of sums, without its two dense
    products for the weights' gradients."""

    def __init__(self) -> None:
        self._newest: tuple[Tensor, Pairs] | None = None
        """Indices, and their pairs."""

    def scores(self, encoder: Encoder, x: Tensor) -> Tensor:
        """(x − b_dec) W_enc + b_enc, [frame, latent], without gradient."""
        rows, b_enc, b_dec = (tensor.detach() for tensor in encoder)
        return torch.addmm(b_enc, x - b_dec, rows.T)

    def top(self, encoder: Encoder, x: Tensor, scores: Tensor, k: int) -> Latents:
        """TopK over the scores, which are the pre-activations themselves."""
        values, indices = largest(scores, k)
        return self._latents(encoder, (x - encoder.b_dec).detach(), values, indices)

    def combine(self, latents: Latents, directions: Tensor) -> Tensor:
        """A gather forwards, two sums over pairs backwards."""
        pairs = self._pairs_of(latents.indices, len(directions))
        combined: Tensor = Combine.apply(latents.values, directions, pairs)  # type: ignore[no-untyped-call]
        return combined

    def _pairs_of(self, indices: Tensor, n_latents: int) -> Pairs:
        """The pairs of the newest latents once only: they are sorted for every gradient."""
        if self._newest is None or self._newest[0] is not indices:
            self._newest = (indices, Pairs(indices, n_latents))
        return self._newest[1]

    def _latents(
        self, encoder: Encoder, centred: Tensor, values: Tensor, indices: Tensor
    ) -> Latents:
        """Latents of pre-activations [frame, k], through which gradients reach the encoder."""
        pairs = self._pairs_of(indices, len(encoder.rows))
        kept: Tensor = Encode.apply(  # type: ignore[no-untyped-call]
            values, centred, encoder.rows, encoder.b_enc, encoder.b_dec, pairs
        )
        return Latents(kept.relu(), indices)
