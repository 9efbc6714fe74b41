"""An SAE of another library in our form: its decoder's rows have unit norm.

With ‖w_j‖ the norm of row j in the checkpoint, latent j's value here is the library's times ‖w_j‖:
the length of what it adds to the reconstruction, in every SAE the same unit (SAELens'
`fold_W_dec_norm`). Which latents fire is the library's choice in any case:

- where values meet a threshold, or are multiplied before the k largest are taken, the norms are
  folded into W_enc, b_enc and θ;
- where the k largest are taken of what is not multiplied, the norms come after (`norms`).

b_dec that the library does not subtract is added to b_enc as b_dec W_enc. What a library does to
each frame before it reads it stays (`normalise`):

    layer_norm:              x' = (x − mean(x)) / (std(x) + 1e-5), std with d − 1
    constant_norm_rescale:   x' = x √d / ‖x‖
"""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.sae.foreign.parts import Foreign
from pipeline.sae.model import Latents, ThresholdSae, TopKSae

EPSILON = 1e-5


class Adopted(TopKSae):
    """Mixed into the two kinds of SAE: frames normalised before, values multiplied after."""

    def __init__(self, width: int, n_latents: int, k: int) -> None:
        super().__init__(width, n_latents, k)
        self.normalise = "none"
        self.register_buffer("norms", torch.ones(n_latents))
        self.norms: Tensor

    def preactivations(self, x: Tensor) -> Tensor:
        """Those of the normalised frames."""
        shift, scale = self._shift_and_scale(x)
        return super().preactivations((x - shift) / scale)

    def keep(self, preactivations: Tensor) -> Latents:
        """The library's choice, multiplied by the norms."""
        latents = super().keep(preactivations)
        return Latents(latents.values * self.norms[latents.indices], latents.indices)

    def in_units_of(self, x: Tensor, y: Tensor) -> Tensor:
        """What was made of the normalised frames, as activations like `x`."""
        shift, scale = self._shift_and_scale(x)
        # SAELens leaves its ε out on the way back; at 1e-5 of the spread nobody sees it.
        return y * scale + shift

    def _shift_and_scale(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What each frame [frame, 1] is reduced by, and then divided by."""
        zero, one = x.new_zeros(()), x.new_ones(())
        if self.normalise == "layer_norm":
            return x.mean(dim=1, keepdim=True), x.std(dim=1, keepdim=True) + EPSILON
        if self.normalise == "constant_norm_rescale":
            return zero, x.norm(dim=1, keepdim=True).clamp_min(1e-12) / x.shape[1] ** 0.5
        return zero, one


class AdoptedTopK(Adopted):
    """Top-k."""


class AdoptedThreshold(Adopted, ThresholdSae):
    """With a threshold per latent."""


def sae_of(foreign: Foreign) -> TopKSae:
    """The SAE that does what the library's does; a plain one where that is enough."""
    d, n = foreign.shape
    norms = foreign.W_dec.norm(dim=1).clamp_min(1e-8)
    encoder, b_enc, theta = foreign.W_enc, foreign.b_enc, foreign.threshold
    after = torch.ones(n)
    if theta is None and not foreign.norms_first:
        after = norms
    else:
        encoder, b_enc = encoder * norms, b_enc * norms
        theta = theta if theta is None or foreign.norms_first else theta * norms
    if not foreign.subtracts_b_dec:
        b_enc = b_enc + foreign.b_dec @ encoder
    # Rows that were normalised in float32 have norms within a few 1e-7 of 1.
    plain = foreign.normalise == "none" and torch.allclose(after, torch.ones(n), atol=1e-5)
    kinds = (TopKSae, AdoptedTopK) if theta is None else (ThresholdSae, AdoptedThreshold)
    sae = kinds[0 if plain else 1](d, n, foreign.k or 1)
    with torch.no_grad():
        for name, tensor in (("W_enc", encoder), ("b_enc", b_enc), ("b_dec", foreign.b_dec),
                             ("W_dec", foreign.W_dec / norms[:, None])):  # fmt: skip
            getattr(sae, name).copy_(tensor)
        if isinstance(sae, ThresholdSae) and theta is not None:
            sae.threshold.copy_(theta)
        if isinstance(sae, Adopted):
            sae.normalise = foreign.normalise
            sae.norms.copy_(after)
    return sae.requires_grad_(False)
