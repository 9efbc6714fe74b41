"""The listener model: from how well names fit to a choice and a confidence.

A listener perceives each option's fit as `ability` × fit + noise, chooses the largest, and is as
confident as `floor` + `slope` × perceived fit of the choice + own bias + a slip stands between
four thresholds. Noise, bias and slip are normal; bias is one a listener, the others one an answer.
The model knows no method, so every difference between methods is in their names.

Because all of it is normal, the expected confidence of an item over the population of listeners is
a one-dimensional integral, which `expected_confidence` takes numerically: with Φ the standard
normal distribution, the largest perceived fit is at most m with probability
Π Φ((m − ability fᵢ) / noise), and given m the confidence exceeds threshold t with probability
Φ((floor + slope m − t) / √(bias² + slip²)).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import erf, hypot, sqrt
from random import Random

THRESHOLDS = (1.5, 2.5, 3.5, 4.5)
"""On the latent scale; above the k-th the confidence is at least k + 1."""
GRID_STEPS = 2000


@dataclass(frozen=True)
class ListenerModel:
    """The population's parameters."""

    ability: float = 0.9
    """How much of a name's fit is perceived; 0 guesses."""
    noise: float = 0.2
    """Standard deviation of the perceived fit."""
    floor: float = 1.4
    """Latent confidence at a perceived fit of 0."""
    slope: float = 3.0
    """Latent confidence gained from a perceived fit of 0 to one of 1."""
    bias: float = 0.5
    """Standard deviation of a listener's own leaning, on the latent scale."""
    slip: float = 0.5
    """Standard deviation of an answer's leaning, on the latent scale."""

    def listener(self, rng: Random) -> "Listener":
        """One listener of the population."""
        return Listener(self, rng, bias=rng.gauss(0, self.bias))

    def expected_confidence(self, fits: Sequence[float]) -> float:
        """Mean confidence over the population of listeners, for one item with these fits."""
        centres = [self.ability * fit for fit in fits]
        low, high = min(centres) - 8 * self.noise, max(centres) + 8 * self.noise
        step = (high - low) / GRID_STEPS
        spread, below, mean = hypot(self.bias, self.slip), 0.0, 1.0
        for index in range(GRID_STEPS):
            edge, middle = low + (index + 1) * step, low + (index + 0.5) * step
            until = 1.0
            for centre in centres:
                until *= _normal((edge - centre) / self.noise)
            latent = self.floor + self.slope * middle
            above = sum(_normal((latent - t) / spread) for t in THRESHOLDS)
            mean += (until - below) * above
            below = until
        return mean


@dataclass(frozen=True)
class Answer:
    """What a listener answers to one trial."""

    choice: int
    """Position, from 1."""
    confidence: int


@dataclass
class Listener:
    """One listener; every draw comes from `rng`."""

    model: ListenerModel
    rng: Random
    bias: float

    def answer(self, fits: Sequence[float]) -> Answer:
        """Choose among options that fit so well, and say how confidently."""
        model = self.model
        perceived = [model.ability * fit + self.rng.gauss(0, model.noise) for fit in fits]
        best = max(perceived)
        latent = model.floor + model.slope * best + self.bias + self.rng.gauss(0, model.slip)
        confidence = 1 + sum(latent > threshold for threshold in THRESHOLDS)
        return Answer(choice=1 + perceived.index(best), confidence=confidence)


def _normal(z: float) -> float:
    return 0.5 * (1.0 + erf(z / sqrt(2.0)))
