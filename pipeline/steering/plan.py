"""Which clips an evaluation generates: without steering, steered, and along random directions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.steering.interventions import Asked, Material, asked, random_pool
from pipeline.steering.settings import EvaluationConfig
from pipeline.subjects.base import Request

PLAIN, POOL = "plain", "random-pool"
"""Names, beside those of `INTERVENTIONS`, of clips without steering and of the random directions
that every feature is compared with."""


@dataclass(frozen=True)
class Clip:
    """One clip, and what it is made for."""

    feature: str
    """Empty for clips that belong to all features."""
    intervention: str
    draw: int
    alpha: float
    seed: int
    beta: float
    asked: Asked
    forget_at: int = 0
    """See `pipeline.subjects.base.Request`."""

    @property
    def request(self) -> Request:
        """What the subject generates."""
        return Request(self.asked.prompt, self.seed, self.asked.interventions, self.forget_at)


def planned(config: EvaluationConfig, material: Material, features: Sequence[str]) -> list[Clip]:
    """All clips of one SAE, those without steering first and then by prompt, so that clips of equal
    prompts are generated together."""
    clips = [*_pool(config, material, features), *_of_features(config, material, features)]
    prompts = {config.prompt: None} | {one.asked.beside(config): None for one in clips}
    every = [*_plain(config, list(prompts)), *clips]
    return sorted(every, key=lambda one: (one.asked.prompt != config.prompt, one.asked.prompt))


def digest(clips: Sequence[Clip]) -> str:
    """A hash of what is generated, to recognise work that was done before."""
    lines = []
    for one in clips:
        vectors = [
            (i.strength, i.vector.hookpoint, _hash(i.vector.direction.numpy()), i.halves, i.when,
             i.schedule, None if i.target is None else (i.target.index, i.target.value))
            for i in one.asked.interventions
        ]  # fmt: skip
        lines.append(repr((one.feature, one.intervention, one.draw, one.alpha, one.seed,
                           one.asked.prompt, vectors)))  # fmt: skip
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _hash(array: np.ndarray) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()


def seeds(config: EvaluationConfig) -> list[int]:
    """The seeds of an evaluation's clips."""
    return [config.seed + take for take in range(config.takes)]


def _plain(config: EvaluationConfig, prompts: Sequence[str]) -> Iterator[Clip]:
    for prompt in prompts:
        for seed in seeds(config):
            yield Clip("", PLAIN, 0, 0.0, seed, 0.0, Asked(prompt))


def _pool(config: EvaluationConfig, material: Material, features: Sequence[str]) -> Iterator[Clip]:
    """Direction r of R is as long as the quantile (r + ½) / R of the features' β, so that the pool
    has the lengths of the features' vectors."""
    betas = [material.betas[name] for name in features if name in material.features]
    for draw in range(config.random_directions):
        beta = float(np.quantile(betas, (draw + 0.5) / config.random_directions))
        for alpha in config.alphas:
            made = random_pool(material, draw, alpha, beta)
            for seed in seeds(config):
                yield Clip("", POOL, draw, alpha, seed, beta, made)


def _of_features(
    config: EvaluationConfig, material: Material, features: Sequence[str]
) -> Iterator[Clip]:
    for intervention in config.interventions:
        for feature in features:
            for alpha in config.alphas:
                made = asked(material, intervention, feature, alpha)
                if made is not None:
                    beta = material.betas[feature]
                    for seed in seeds(config):
                        yield Clip(feature, intervention, 0, alpha, seed, beta, made)
