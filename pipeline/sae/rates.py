"""The learning rate of a config that gives none.

Measured here (held-out FVU; in brackets the share of latents that never fire), on synthetic worlds
of 512 known directions in 128 dimensions (`benchmarks.sae.world`, k 16, batch 1,024), and, in the
last two rows, on the nano's stream (n 768, k 16) and on another synthetic world (1,024 directions,
d 256, batch 512):

| n      | steps | 1e-3         | 3e-3         | 6e-3         | 1.2e-2       |
|--------|-------|--------------|--------------|--------------|--------------|
| 1,024  |   300 | 0.403 (0)    | 0.206 (0)    | 0.123 (4 %)  | 0.115 (9 %)  |
| 1,024  | 1,500 |              | 0.088 (10 %) | 0.085 (8 %)  | 0.086 (9 %)  |
| 4,096  |   300 | 0.397 (0)    | 0.237 (0)    | 0.106 (14 %) | 0.111 (35 %) |
|   768  | 1,500 | 0.335 (0)    | 0.320 (0)    | 0.316 (0)    | 0.314 (0)    |
| 16,384 | 1,800 | 0.042 (30 %) | 0.038 (73 %) |              |              |

So 6e-3 is within a few per cent of the best up to n 4,096, and wider dictionaries lose more latents
at it. Gao et al. (2024) use 2e-4 at n 16,384 and divide by the square root of n, for runs of 10⁴ to
10⁵ steps; at 1,800 steps that gave 0.279 where 1e-3 gave 0.042. The rule below falls with the
square root of n from 4,096 on, and with that of the number of steps from 5,000 on, which brings it
near theirs at their lengths; the fall with steps was not measured. `run --sweep` measures the rate
for a run.
"""

from __future__ import annotations

from math import sqrt

from pipeline.config import SaeConfig

RATE = 6e-3
LATENTS, STEPS = 4_096, 5_000
"""Up to these the rate is `RATE`."""


def rate_of(config: SaeConfig, n_latents: int) -> float:
    """Adam's peak learning rate for an SAE of n latents: the config's, else `default_rate`."""
    return config.learning_rate or default_rate(n_latents, config.steps)


def default_rate(n_latents: int, steps: int) -> float:
    """A rate for n latents and a number of steps; see the module."""
    return RATE * min(1.0, sqrt(LATENTS / n_latents)) * min(1.0, sqrt(STEPS / steps))
