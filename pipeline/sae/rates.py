"""The learning rate of a config that gives none.

Measured, one seed per cell (held-out FVU; in brackets the share of latents that never fire). The
first three rows: synthetic worlds of 512 known directions in 128 dimensions
(`benchmarks.sae.world`, k 16, batch 1,024). The last two were measured with the training step
before `pipeline.sae.kernels`: the nano's stream (n 768, k 16, batch 1,024, FVU on test tracks), and
another synthetic world (1,024 directions, d 256, k 16, batch 512).

| n      | steps | 1e-3         | 3e-3         | 6e-3         | 1.2e-2       |
|--------|-------|--------------|--------------|--------------|--------------|
| 1,024  |   300 | 0.403 (0)    | 0.206 (0)    | 0.123 (4 %)  | 0.115 (9 %)  |
| 1,024  | 1,500 |              | 0.088 (10 %) | 0.085 (8 %)  | 0.086 (9 %)  |
| 4,096  |   300 | 0.397 (0)    | 0.237 (0)    | 0.106 (14 %) | 0.111 (35 %) |
|   768  | 1,500 | 0.335 (0)    | 0.320 (0)    | 0.316 (0)    | 0.314 (0)    |
| 16,384 | 1,800 | 0.042 (30 %) | 0.038 (73 %) |              |              |

So 6e-3 is within 7 % of the smallest FVU up to n 4,096, and wider dictionaries lose more latents:
at n 16,384 the rule below gives 3e-3, at which 73 % were silent. Gao et al. (2024) use 2e-4 at
n 16,384 and divide by the square root of n; there, in 1,800 steps, that gave 0.279.

The rule falls with the square root of n from 4,096 on, and with that of the number of steps from
5,000 on. Neither fall was measured beyond this table; at n 16,384 and 10⁵ steps it gives 6.7e-4,
three times theirs. `run --sweep` measures the rate for a run.
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
