"""JumpReLU with trained thresholds (Rajamanoharan et al., 2024, arXiv 2407.14435).

    z_j = y_j · H(y_j − θ_j)    for pre-activations y and thresholds θ > 0, H the step function

The loss is the mean squared error plus λ (L0 / k − 1)², their penalty for a target of k latents per
frame, with L0 the batch's mean. Neither term has a useful derivative by θ, so both get the one of a
step that is smoothed over a width ε, with K = 1 between −½ and ½ and 0 elsewhere:

    ∂z_j/∂θ_j := −(θ_j / ε) K((y_j − θ_j) / ε)
    ∂H(y_j − θ_j)/∂θ_j := −(1 / ε) K((y_j − θ_j) / ε)

θ is trained as log θ, and y gets gradients where it fires only, both as theirs. Deviations: they
start all θ at 0.001, where half of the latents fire, and need 10⁴ steps to get rid of these; here
all start at the one threshold that k latents per frame exceed, and a frame has at most 4 k
candidates, those with the largest y − θ. ε is wider, since a training here sees 10⁶ frames and not
10¹⁰, and few are within ε of a threshold. AuxK stays, which they do without.

Measured on 512 known directions (`benchmarks.sae.world`; d 128, n 1,024, k 16, 400 × 1,024 frames,
rate 6e-3, one seed): held-out FVU, L0 and silent latents by ε, at λ 0.3 and 3:

| ε     | λ 0.3             | λ 3               |
|-------|-------------------|-------------------|
| 0.001 | 0.234, 12.8, 49 % | 0.214, 14.8, 48 % |
| 0.01  | 0.196, 17.5, 51 % | 0.178, 15.8, 42 % |
| 0.03  | 0.171, 16.9, 42 % | 0.168, 15.7, 41 % |
| 0.1   | 0.151, 16.2, 34 % | 0.161, 15.7, 33 % |
| 0.3   | 0.160, 15.7, 35 % |                   |

There `batch-topk` has 0.136 with 12 % silent, `topk` 0.108 with 5 %: in trainings this short its
only use is to compare. A latent that has fallen silent keeps its threshold, which AuxK does not
lower.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.sae.kernels.base import Encoder
from pipeline.sae.model import Latents, TopKSae
from pipeline.sae.ranks import ALONE, Ranks
from pipeline.sae.variants import CANDIDATES, Fired, threshold_for, with_threshold

BANDWIDTH = 0.1
"""ε, in units of the mean norm of normalised frames, √d. Theirs is 0.001."""
PENALTY = 0.3
"""λ."""


class JumpReluSae(TopKSae):
    """An SAE in training; finished, it is a `ThresholdSae`."""

    def __init__(self, width: int, n_latents: int, k: int) -> None:
        super().__init__(width, n_latents, k)
        self.log_threshold = nn.Parameter(torch.zeros(n_latents))


class JumpRelu:
    """Every latent fires above a threshold of its own, which is trained."""

    def __init__(self, k: int, n_latents: int) -> None:
        self.k, self.n_latents = k, n_latents
        self.candidates = min(CANDIDATES * k, n_latents)

    def sae(self, width: int) -> JumpReluSae:
        """With log θ as a further parameter."""
        return JumpReluSae(width, self.n_latents, self.k)

    def begin(self, sae: TopKSae, sample: Tensor) -> None:
        """θ such that k latents per frame of `sample` fire."""
        first = threshold_for(sae, sample, self.candidates)
        with torch.no_grad():
            _trained(sae).log_threshold.fill_(first).clamp_min_(1e-6).log_()

    def encoder(self, sae: TopKSae) -> Encoder:
        """Pre-activations less θ − ε/2: the largest are those that fire or could soon."""
        encoder = Encoder.of(sae)
        shift = _trained(sae).log_threshold.detach().exp() - _bandwidth(sae) / 2
        return encoder._replace(b_enc=encoder.b_enc - shift)

    def fire(self, sae: TopKSae, found: Latents, ranks: Ranks = ALONE) -> Fired:
        """z, and the penalty."""
        epsilon = _bandwidth(sae)
        # `found` has u = ReLU(y − θ + ε/2): over 0 from the lower edge of the window on.
        inside = (found.values > 0) & (found.values < epsilon)
        fires = (found.values > epsilon / 2).float()
        theta = _trained(sae).log_threshold.exp()[found.indices]
        # H(y − θ), whose derivative by θ is −K / ε: what is added is 0.
        step = fires - inside / epsilon * (theta - theta.detach())
        # y H(y − θ), whose derivative by θ is −θ K / ε, and by y H.
        at = theta.detach()
        values = (found.values + at - epsilon / 2) * fires + at * (step - fires)
        l0 = ranks.mean(step.sum(dim=1))
        return Fired(Latents(values, found.indices), PENALTY * (l0 / self.k - 1).square())

    def finished(self, sae: TopKSae, sample: Tensor) -> TopKSae:
        """With the thresholds as they were trained."""
        return with_threshold(sae, _trained(sae).log_threshold.detach().exp())


def _trained(sae: TopKSae) -> JumpReluSae:
    if not isinstance(sae, JumpReluSae):
        raise TypeError(f"{type(sae).__name__} has no thresholds to train")
    return sae


def _bandwidth(sae: TopKSae) -> float:
    return float(BANDWIDTH * sae.W_dec.shape[1] ** 0.5)
