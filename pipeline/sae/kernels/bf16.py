"""Candidates by a bf16 product, their values by fp32 dot products.

bf16 has 8 bits of mantissa, so that a pre-activation is off by up to about 0.4 % of the terms that
it is summed from; latents near the k-th place can change places. So k + `EXTRA` candidates are
chosen by the bf16 scores, and the k largest of them by their fp32 values. What remains wrong is a
latent that belongs to the top k and is not among the candidates: its place is taken by one whose
pre-activation is almost equal. The test in `tests/pipeline/sae/test_kernels.py` bounds how often
that happens and what it does to the loss, at the start of a training.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.sae.kernels.base import Encoder
from pipeline.sae.kernels.exact import Exact
from pipeline.sae.kernels.largest import largest
from pipeline.sae.kernels.pairs import dots
from pipeline.sae.model import Latents

EXTRA = 8
"""Candidates beyond k."""


class Bf16Candidates(Exact):
    """As `Exact`, with latents preselected by bf16 scores. All values and gradients are fp32."""

    def scores(self, encoder: Encoder, x: Tensor) -> Tensor:
        """Pre-activations [frame, latent] in bf16, summed in fp32 inside the product."""
        rows, b_enc, b_dec = (tensor.detach() for tensor in encoder)
        centred = (x - b_dec).bfloat16()
        return torch.addmm(b_enc.bfloat16(), centred, rows.bfloat16().T)

    def top(self, encoder: Encoder, x: Tensor, scores: Tensor, k: int) -> Latents:
        """The k largest by fp32 value among the k + `EXTRA` largest by score."""
        rows, b_enc, b_dec = (tensor.detach() for tensor in encoder)
        centred = x - b_dec
        # 1) Candidates [frame, k + EXTRA].
        count = min(k + EXTRA, scores.shape[1])
        _, candidates = largest(scores, count)
        # 2) Their fp32 pre-activations, and the k largest of these.
        exact = dots(centred, rows, candidates) + b_enc[candidates]
        values, places = exact.topk(k, dim=1, sorted=False)
        return self._latents(encoder, centred, values, candidates.gather(1, places))
