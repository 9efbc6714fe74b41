"""Which features move the model's output: a ranking of all kept features by forward passes alone.

The score of a feature is the Kullback–Leibler divergence KL(p ‖ p') of the next code's distribution
p from that with α β W_dec[j] added, p', at α = 1: mean over the codebooks' heads, over steps, and
over a few pieces of music that the subject made without steering. It needs one forward pass per
feature and piece, many in a batch, and no generation. A feature that does not move the heads cannot
be heard; one that does may still be heard as something else, which is why the evaluation's slopes
are correlated with it.

After the output score of Arad et al. (2505.20063, "SAEs are good for steering – if you select the
right features"), which looks at the tokens that a latent writes; here the whole distribution is
taken, since a code of a codec means nothing by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import atanh, sqrt, tanh
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.progress import Progress
from pipeline.steering.interventions import Material, add, random_pool
from pipeline.store.steering_tables import OutputScoreRecord, SelectionRecord, SlopeRecord
from pipeline.subjects.base import Intervention, Request

PIECES = 2
"""Pieces of music that the heads are read on."""
SECONDS = 2.0
ROWS = 32
"""Features per forward pass."""
RANDOM = 20
"""Random directions, each as long as the median β."""


def output_scores(subject: Any, material: Material, progress: Progress) -> list[OutputScoreRecord]:
    """The score of every kept feature with exemplars, the largest first."""
    names = list(material.features)
    own = [add(material, name, 1.0).interventions[0] for name in names]
    beta = float(np.median([material.betas[name] for name in names]))
    random = [random_pool(material, draw, 1.0, beta).interventions[0] for draw in range(RANDOM)]
    codes = pieces(subject, material)
    progress.start(
        f"output scores {material.stored.name}", PIECES * (len(own) + len(random)), "pass"
    )
    scores = divergences(subject, codes, [*own, *random], progress)
    progress.finish()
    baseline = float(scores[len(own) :].mean())
    order = np.argsort(-scores[: len(own)], kind="stable")
    return [
        OutputScoreRecord(
            feature=names[place],
            rank=rank,
            beta=material.betas[names[place]],
            score=float(scores[place]),
            random_score=baseline,
        )
        for rank, place in enumerate(order, start=1)
    ]


def pieces(subject: Any, material: Material) -> Tensor:
    """Codes [piece, codebook, frame] of the music without steering that heads are read on."""
    seeds = [material.config.seed + piece for piece in range(PIECES)]
    made = subject.generate_many([Request(material.config.prompt, one) for one in seeds], SECONDS)
    return torch.stack([clip.codes for clip in made])


def divergences(
    subject: Any,
    codes: Tensor,
    interventions: Sequence[Intervention],
    progress: Progress,
    *,
    by_head: bool = False,
) -> np.ndarray:
    """Mean KL [intervention], or [intervention, codebook] by head, nats per code, over `codes`
    [piece, codebook, frame]."""
    shape = (len(interventions), codes.shape[1]) if by_head else (len(interventions),)
    totals = np.zeros(shape)
    for piece in codes:
        plain = subject.steered_logits(piece[None], [()]).log_softmax(dim=-1)
        for start in range(0, len(interventions), ROWS):
            part = interventions[start : start + ROWS]
            rows = piece[None].expand(len(part), -1, -1)
            steered = subject.steered_logits(rows, [(one,) for one in part]).log_softmax(dim=-1)
            divergence = (plain.exp() * (plain - steered)).sum(dim=-1)  # [row, codebook, step]
            mean = divergence.mean(dim=2 if by_head else (1, 2))
            totals[start : start + len(part)] += mean.double().numpy()
            progress.advance(len(part))
    return totals / len(codes)


def selection_records(
    sae: str, scores: Sequence[OutputScoreRecord], slopes: Sequence[SlopeRecord]
) -> Iterator[SelectionRecord]:
    """Rank correlation of the output score with the measured slope of `add`, per measure."""
    score_of = {one.feature: one.score for one in scores}
    for measure in dict.fromkeys(one.measure for one in slopes):
        pairs = [
            (score_of[one.feature], one.slope)
            for one in slopes
            if one.intervention == "add" and one.measure == measure and one.feature in score_of
        ]
        if len(pairs) >= 4:
            rho, low, high = spearman(np.array(pairs))
            yield SelectionRecord(
                sae=sae, measure=measure, features=len(pairs), rho=rho, low=low, high=high
            )


def spearman(pairs: np.ndarray) -> tuple[float, float, float]:
    """Spearman's ρ of pairs [pair, 2] with its 95 % interval: Fisher's z with the variance
    (1 + ρ² / 2) / (n − 3) of Bonett and Wright (2000). −1 to 1 where the ranks agree wholly, of
    which that z is infinite, and with ρ = 0 where one side does not vary."""
    from scipy.stats import norm, spearmanr

    if any(np.ptp(pairs[:, side]) == 0 for side in (0, 1)):
        return 0.0, -1.0, 1.0
    rho = float(spearmanr(pairs[:, 0], pairs[:, 1]).statistic)
    if abs(rho) > 1 - 1e-9:
        return rho, -1.0, 1.0
    z = atanh(rho)
    half = float(norm.ppf(0.975)) * sqrt((1 + rho**2 / 2) / (len(pairs) - 3))
    return rho, tanh(z - half), tanh(z + half)
