"""The listener model: from how well names fit to a choice and a confidence.

A listener perceives each option's fit as `ability` × fit + noise and chooses the largest. Latent
confidence is `floor` + `slope` × perceived fit of the choice + bias + slip; four thresholds turn it
into the scale from 1 to 5. Noise, bias and slip are normal; bias is drawn once per listener, slip
once per answer and noise once per option. The model does not know the methods, so every difference
between methods comes from their names.

Since all terms are normal, the expected confidence of an item over the population of listeners is a
one-dimensional integral, which `expected_confidence` computes numerically: with Φ the standard
normal distribution function, the largest perceived fit is at most m with probability
Π Φ((m − ability fᵢ) / noise), and given m the confidence exceeds threshold t with probability
Φ((floor + slope m − t) / √(bias² + slip²)).

Of two sounds the listener chooses the one that seems to have more of what is asked. What a sound
has is the strength of its steering if the feature was steered, and nothing otherwise: `dose` is the
slope of a logistic regression of the choice on the difference of strengths, without a position
bias.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import erf, exp, hypot, log, sqrt
from random import Random

THRESHOLDS = (1.5, 2.5, 3.5, 4.5)
"""On the latent scale: above the k-th, the confidence is at least k + 1."""
GRID_STEPS = 2000


@dataclass(frozen=True)
class ListenerModel:
    """The population's parameters."""

    ability: float = 0.9
    """How much of a name's fit is perceived; at 0 the listener guesses."""
    noise: float = 0.2
    """Standard deviation of the perceived fit."""
    floor: float = 1.4
    """Latent confidence at a perceived fit of 0."""
    slope: float = 3.0
    """Latent confidence gained from a perceived fit of 0 to one of 1."""
    bias: float = 0.5
    """Standard deviation of the shift per listener, on the latent scale."""
    slip: float = 0.5
    """Standard deviation of the shift per answer, on the latent scale."""
    dose: float = 1.5
    """Of two sounds: log-odds of choosing the one whose steering is stronger by 1."""

    def listener(self, rng: Random) -> "Listener":
        """One listener of the population."""
        return Listener(self, rng, bias=rng.gauss(0, self.bias))

    def expected_confidence(self, fits: Sequence[float]) -> float:
        """Mean confidence over the population of listeners, for one item with these fits."""
        # Midpoint rule over m, the largest perceived fit; eight standard deviations cover it.
        centres = [self.ability * fit for fit in fits]
        low, high = min(centres) - 8 * self.noise, max(centres) + 8 * self.noise
        step = (high - low) / GRID_STEPS
        spread, below, mean = hypot(self.bias, self.slip), 0.0, 1.0
        for index in range(GRID_STEPS):
            edge, middle = low + (index + 1) * step, low + (index + 0.5) * step
            # P(largest perceived fit ≤ right edge of the cell)
            until = 1.0
            for centre in centres:
                until *= _normal((edge - centre) / self.noise)
            latent = self.floor + self.slope * middle
            above = sum(_normal((latent - t) / spread) for t in THRESHOLDS)
            # E[confidence] = 1 + Σ over thresholds of P(latent > t), weighted by P(m in this cell)
            mean += (until - below) * above
            below = until
        return mean

    def share(self, amounts: Sequence[float]) -> float:
        """Probability of choosing the first of two sounds with these amounts of what is asked."""
        first, second = amounts
        return 1 / (1 + exp(-self.dose * (first - second)))


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
        """Choose among options with these fits, and say how confidently."""
        model = self.model
        perceived = [model.ability * fit + self.rng.gauss(0, model.noise) for fit in fits]
        best = max(perceived)
        latent = model.floor + model.slope * best + self.bias + self.rng.gauss(0, model.slip)
        confidence = 1 + sum(latent > threshold for threshold in THRESHOLDS)
        return Answer(choice=1 + perceived.index(best), confidence=confidence)

    def compare(self, amounts: Sequence[float]) -> Answer:
        """Choose among sounds with these amounts of what is asked, and say how confidently.

        Each amount is perceived with Gumbel noise, so that of two sounds one is chosen by a
        logistic function of the difference: `ListenerModel.share`. The confidence follows how far
        the choice seems above the others.
        """
        model = self.model
        perceived = [model.dose * one - log(-log(1 - self.rng.random())) for one in amounts]
        best, next_best = sorted(perceived, reverse=True)[:2]
        latent = model.floor + best - next_best + self.bias + self.rng.gauss(0, model.slip)
        confidence = 1 + sum(latent > threshold for threshold in THRESHOLDS)
        return Answer(choice=1 + perceived.index(best), confidence=confidence)


def _normal(z: float) -> float:
    return 0.5 * (1.0 + erf(z / sqrt(2.0)))
