"""Which latents fire during training, and what the finished SAE does instead.

| variant      | in training                                     | finished: fires where          |
|--------------|-------------------------------------------------|--------------------------------|
| `topk`       | the k largest of each frame (Gao et al., 2024)  | the same                       |
| `batch-topk` | the k · B largest of a batch of B frames        | pre-activation > θ: `jumprelu` |
|              | (Bussmann et al., 2024, arXiv 2412.06410)       | in SAELens                     |
| `jumprelu`   | pre-activation > θ, θ of each latent trained    | the same                       |
|              | (`pipeline.sae.jumprelu`)                       |                                |

`[sae] prefixes` makes a Matryoshka SAE of either (Bussmann et al., 2025, arXiv 2503.17547): the
first latents must reconstruct by themselves too, so that they keep the general concepts while later
ones take the special ones. The finished SAE is of the same kind as without.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from pipeline.registry import resolve
from pipeline.sae.evaluate import FRAMES_AT_ONCE
from pipeline.sae.kernels.base import Encoder
from pipeline.sae.model import Latents, ThresholdSae, TopKSae
from pipeline.sae.ranks import ALONE, Ranks

# To add a variant: a class with the interface of `Variant`, a line here, its name in
# `pipeline.config.sections.VARIANTS`, a row in the table above.
VARIANTS: dict[str, str] = {
    "topk": "pipeline.sae.variants.TopK",
    "batch-topk": "pipeline.sae.variants.BatchTopK",
    "jumprelu": "pipeline.sae.jumprelu.JumpRelu",
}

CANDIDATES = 4
"""A frame has at most this many times k latents where their number varies."""


class Fired(NamedTuple):
    """What fires in a training batch."""

    latents: Latents
    penalty: Tensor | float = 0.0
    """What the variant adds to the loss."""


class Variant(Protocol):
    """What a variant decides; made with k and n."""

    candidates: int
    """Latents per frame that the kernel finds."""

    def sae(self, width: int) -> TopKSae:
        """An SAE to train, with all its parameters."""

    def begin(self, sae: TopKSae, sample: Tensor) -> None:
        """Set what is the variant's own, after the weights; `sample` [frame, d] are train frames,
        normalised."""

    def encoder(self, sae: TopKSae) -> Encoder:
        """What candidates are ranked by: the encoder, with biases of the variant's."""

    def fire(self, sae: TopKSae, found: Latents, ranks: Ranks = ALONE) -> Fired:
        """Those of the candidates of a training batch that fire, the others set to 0. Each of
        `ranks` has some of the batch's frames."""

    def finished(self, sae: TopKSae, sample: Tensor) -> TopKSae:
        """The SAE to store; `sample` [frame, d] are train frames, normalised."""


def variant_of(name: str, k: int, n_latents: int) -> Variant:
    """The variant for a config's `[sae] variant`.

    Raises `PipelineError` with the list of known names for an unknown one.
    """
    variant: Variant = resolve(VARIANTS, name, "SAE variant")(k, n_latents)
    return variant


class TopK:
    """The k largest of each frame."""

    def __init__(self, k: int, n_latents: int) -> None:
        self.k, self.n_latents = k, n_latents
        self.candidates = min(k, n_latents)

    def sae(self, width: int) -> TopKSae:
        """Nothing else is trained."""
        return TopKSae(width, self.n_latents, self.k)

    def begin(self, sae: TopKSae, sample: Tensor) -> None:
        """Nothing to set."""

    def encoder(self, sae: TopKSae) -> Encoder:
        """The encoder as it is."""
        return Encoder.of(sae)

    def fire(self, sae: TopKSae, found: Latents, ranks: Ranks = ALONE) -> Fired:
        """All of them."""
        return Fired(found)

    def finished(self, sae: TopKSae, sample: Tensor) -> TopKSae:
        """The SAE as it was trained."""
        return sae


class BatchTopK(TopK):
    """The largest of all latents of a batch, k per frame on average: a frame that needs more gets
    more."""

    def __init__(self, k: int, n_latents: int) -> None:
        super().__init__(k, n_latents)
        # Deviation: no frame has more than 4 k, so that latents stay [frame, 4 k].
        self.candidates = min(CANDIDATES * k, n_latents)

    def fire(self, sae: TopKSae, found: Latents, ranks: Ranks = ALONE) -> Fired:
        """The k · B largest of the batch's B frames."""
        over = found.values > _cut(ranks.gathered(found.values.detach()), self.k)
        return Fired(Latents(found.values * over, found.indices))

    def finished(self, sae: TopKSae, sample: Tensor) -> TopKSae:
        """One threshold for all latents, over which k per frame of `sample` lie on average.

        Deviation: other implementations average the smallest value that fired over the last
        batches, while weights still change; on held-out frames L0 is then further from k.
        """
        return with_threshold(sae, threshold_for(sae, sample, self.candidates))


@torch.no_grad()
def threshold_for(sae: TopKSae, sample: Tensor, candidates: int) -> float:
    """The threshold that k latents per frame of `sample` [frame, d] exceed on average, if no frame
    has more than `candidates`."""
    parts = [
        sae.preactivations(part).topk(candidates, dim=1).values.relu()
        for part in torch.split(sample, FRAMES_AT_ONCE)
    ]
    return float(_cut(torch.cat(parts), sae.k))


def _cut(values: Tensor, k: int) -> Tensor:
    """The value that exactly k · B of `values` [frame, candidate] exceed, but for ties; 0 if fewer
    than that are over 0."""
    flat = values.flatten()
    place = len(flat) - k * len(values)
    return flat.kthvalue(place).values if place > 0 else flat.new_zeros(())


def with_threshold(sae: TopKSae, threshold: float | Tensor) -> ThresholdSae:
    """The same weights, read with a threshold, of all latents or of each."""
    other = ThresholdSae(sae.W_dec.shape[1], sae.n_latents, sae.k)
    other.W_enc, other.b_enc, other.W_dec, other.b_dec = sae.W_enc, sae.b_enc, sae.W_dec, sae.b_dec
    other.threshold.copy_(torch.as_tensor(threshold).expand(sae.n_latents))
    return other
