"""What every kernel can do, and on which weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from torch import Tensor

if TYPE_CHECKING:
    from pipeline.sae.model import Latents, TopKSae


class Encoder(NamedTuple):
    """The encoder's rows of all latents, or of some (`Encoder.of(sae, some)`)."""

    rows: Tensor
    """W_encᵀ, [latent, d]."""
    b_enc: Tensor
    """[latent]."""
    b_dec: Tensor
    """[d]."""

    @classmethod
    def of(cls, sae: TopKSae, latents: Tensor | None = None) -> Encoder:
        """The encoder of `latents` [m] (all if None); gradients reach the SAE's parameters."""
        rows = sae.W_enc.T
        if latents is None:
            return cls(rows, sae.b_enc, sae.b_dec)
        return cls(rows.index_select(0, latents), sae.b_enc.index_select(0, latents), sae.b_dec)


class Kernel(Protocol):
    """The products of a training step over x [frame, d]."""

    def scores(self, encoder: Encoder, x: Tensor) -> Tensor:
        """What latents are ranked by, [frame, latent]: pre-activations, exact or nearly so."""

    def top(self, encoder: Encoder, x: Tensor, scores: Tensor, k: int) -> Latents:
        """The k largest of `scores` per frame, as latents with their exact values, ReLU applied.

        Gradients reach the encoder's three tensors.
        """

    def combine(self, latents: Latents, directions: Tensor) -> Tensor:
        """z W_dec, [frame, d], for the rows of W_dec (`directions`) that the indices mean.

        Gradients reach the latents' values and these rows.
        """
