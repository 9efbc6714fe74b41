"""Candidates by a product of low precision, their values by fp32 dot products.

A score of low precision is a little off, so that latents near the k-th place can change places. So
k + `EXTRA` candidates are chosen by the scores, and the k largest of them by their fp32 values.
What remains wrong is a latent that belongs to the top k and is not among the candidates: its place
is taken by one whose pre-activation is almost equal. The test in `tests/pipeline/sae/test_kernels`
bounds how often that happens and what it does to the loss, at the start of a training.

| product | a score is off by                                              | the product's time |
|---------|----------------------------------------------------------------|--------------------|
| bf16    | up to 0.4 % of the terms that it is summed from                | half of fp32's     |
| int8    | about 1.3 % of the spread of scores; more where single         | a quarter          |
|         | dimensions of a frame or a latent are far larger than its rest |                    |
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
LEVELS = 127
"""An int8 is at most this, either side of 0."""
ZERO = 128
"""What stands for 0 among unsigned integers of 8 bits."""
SMALLEST = 1e-30
"""In place of the largest of a row of zeros, by which it is divided."""


class Preselected(Exact):
    """As `Exact`, with latents preselected by approximate scores, which a subclass computes. All
    values and gradients are fp32."""

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


class Bf16Candidates(Preselected):
    """Scores by a product of bf16 numbers, which have 8 bits of mantissa."""

    def scores(self, encoder: Encoder, x: Tensor) -> Tensor:
        """Pre-activations [frame, latent] in bf16, summed in fp32 inside the product."""
        rows, b_enc, b_dec = (tensor.detach() for tensor in encoder)
        centred = (x - b_dec).bfloat16()
        return torch.addmm(b_enc.bfloat16(), centred, rows.bfloat16().T)


class Int8Candidates(Preselected):
    """Scores by a product of 8-bit integers: each frame and each latent has a scale of its own."""

    def scores(self, encoder: Encoder, x: Tensor) -> Tensor:
        """Pre-activations [frame, latent] in bf16, summed in integers inside the product.

            (x_t − b_dec) · W_j + b_j  ≈  s_t s_j Σ_i q_ti r_ji + b_j

        with s_t = max_i |x_ti − b_dec,i| / 127, q_ti = round((x_ti − b_dec,i) / s_t), and s_j, r_ji
        likewise of W_j.
        """
        rows, b_enc, b_dec = (tensor.detach() for tensor in encoder)
        levels, of_frame = _in_levels(x - b_dec)
        weights, of_latent = _in_levels(rows)
        packed = torch.ops.onednn.qlinear_prepack(weights.round_().to(torch.int8), list(x.shape))
        # The instructions multiply unsigned by signed integers: 128 stands for 0, which the product
        # takes off again. A half more rounds, since the conversion to integers cuts.
        unsigned = levels.add_(ZERO + 0.5).to(torch.uint8)
        none = torch.zeros(len(rows), dtype=torch.int64)
        summed: Tensor = torch.ops.onednn.qlinear_pointwise(
            unsigned,
            1.0,
            ZERO,
            packed,
            of_latent,
            none,
            None,
            1.0,
            0,
            torch.bfloat16,
            "none",
            [],
            "",
        )
        # In place, as all of this: new memory of this size costs as much as a pass over it.
        return torch.addcmul(b_enc.bfloat16(), summed, of_frame.bfloat16()[:, None], out=summed)


def _in_levels(values: Tensor) -> tuple[Tensor, Tensor]:
    """Rows [row, d] divided to lie in ±`LEVELS`, and what each was divided by, [row]."""
    largest_of_row = torch.maximum(values.amax(dim=1), -values.amin(dim=1))
    scale = largest_of_row.clamp_min(SMALLEST) / LEVELS
    return values / scale[:, None], scale
