"""A synthetic world: frames that are sparse sums of known directions.

    x = Σ_i a_i s_i w_i + offset + noise

with unit directions w_i [d], drawn uniformly; strengths s_i uniform between 1 and 2; a_i ∈ {0, 1}:

- direction i fires at a rate that falls as 1 / (i + 10) (Zipf), 10 directions per frame in sum;
- in an eighth of the directions as pairs, the second fires in half the frames of the first besides
  (correlated);
- in another eighth as pairs, the second, the child, fires only where the first, the parent, does
  (hierarchical). Both shares can be set.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from pipeline.sae.frames import TrainingFrames

PER_FRAME = 10.0
"""Directions that fire per frame, on average, before the pairs."""
NOISE = 0.02
"""Standard deviation of the noise in each dimension."""
POOL = 32_768
FOUND = 0.9
"""Cosine from which a direction counts as found."""


@dataclass(frozen=True)
class World:
    """Directions, and how often each fires."""

    count: int
    width: int
    seed: int = 0
    correlated: float = 1 / 8
    """Share of the directions that are in correlated pairs."""
    hierarchical: float = 1 / 8
    """Share of the directions that are in hierarchical pairs."""
    directions: Tensor = field(init=False, repr=False)
    """[direction, d], of unit norm."""
    rates: Tensor = field(init=False, repr=False)
    """[direction], before the pairs."""
    offset: Tensor = field(init=False, repr=False)
    """[d]."""

    def __post_init__(self) -> None:
        generator = torch.Generator().manual_seed(self.seed)
        drawn = torch.randn(self.count, self.width, generator=generator)
        rates = 1 / (torch.arange(self.count) + 10.0)
        made = {
            "directions": torch.nn.functional.normalize(drawn, dim=1),
            # Common and rare ones in no order, so that pairs are of all rates.
            "rates": (PER_FRAME * rates / rates.sum()).clamp_max(0.5)[
                torch.randperm(self.count, generator=generator)
            ],
            "offset": torch.randn(self.width, generator=generator),
        }
        for name, value in made.items():
            object.__setattr__(self, name, value)

    @property
    def _pairs(self) -> tuple[int, int]:
        """How many pairs are correlated, and how many hierarchical."""
        return int(self.count * self.correlated / 2), int(self.count * self.hierarchical / 2)

    def kinds(self) -> dict[str, Tensor]:
        """The places of the directions of each kind."""
        beside, below = self._pairs
        places = torch.arange(self.count)
        pairs = places[2 * beside : 2 * (beside + below)]
        return {
            "parents": pairs[::2],
            "children": pairs[1::2],
            "correlated": places[: 2 * beside],
            "single": places[2 * (beside + below) :],
        }

    def frames(self, count: int, generator: torch.Generator) -> Tensor:
        """`count` new frames [frame, d], float32."""
        shape = (count, self.count)
        active = torch.rand(shape, generator=generator) < self.rates
        beside, below = self._pairs
        along = torch.rand((count, max(beside, below)), generator=generator) < 0.5
        # 1) Correlated: directions 0 and 1, 2 and 3, …
        first, second = slice(0, 2 * beside, 2), slice(1, 2 * beside, 2)
        active[:, second] |= active[:, first] & along[:, :beside]
        # 2) Hierarchical: the next ones.
        end = 2 * (beside + below)
        first, second = slice(2 * beside, end, 2), slice(2 * beside + 1, end, 2)
        active[:, second] = active[:, first] & along[:, :below]
        strengths = active * (1 + torch.rand(shape, generator=generator))
        noise = NOISE * torch.randn((count, self.width), generator=generator)
        return strengths @ self.directions + self.offset + noise


class WorldFrames(TrainingFrames):
    """Endless new frames of a world, in the order of a seed: the same for everyone who asks."""

    def __init__(self, world: World, *, pool: int = POOL) -> None:
        self._world, self._pool = world, pool

    def _pools(self, generator: torch.Generator) -> Iterator[Tensor]:
        while True:
            yield self._world.frames(self._pool, generator).half()


@dataclass(frozen=True)
class Truth:
    """How well a dictionary has the world's directions."""

    mean_cosine: float
    """Mean over directions of the largest cosine with any latent."""
    found: float
    """Share of the directions with a latent of cosine `FOUND` or more."""
    mcc: float
    """Mean cosine under the best one-to-one matching of directions and latents."""
    missed: dict[str, int]
    """Directions not found, by kind."""


def truth(world: World, decoder: Tensor) -> Truth:
    """The figures of W_dec [n, d]."""
    cosines = world.directions @ torch.nn.functional.normalize(decoder, dim=1).T
    largest = cosines.max(dim=1).values
    rows, columns = linear_sum_assignment(-np.asarray(cosines))
    return Truth(
        mean_cosine=float(largest.mean()),
        found=float((largest >= FOUND).float().mean()),
        mcc=float(cosines[rows, columns].mean()),
        missed={kind: int((largest[at] < FOUND).sum()) for kind, at in world.kinds().items()},
    )
