"""The learning rate of a config that gives none."""

from __future__ import annotations

from pipeline.config import SaeConfig


def rate_of(config: SaeConfig, n_latents: int) -> float:
    """Adam's peak learning rate for an SAE of n latents: the config's, else `default_rate`."""
    return config.learning_rate or default_rate(n_latents, config.steps)


def default_rate(n_latents: int, steps: int) -> float:
    """A rate for n latents and a number of steps."""
    return 6e-3 if n_latents <= 4096 else 3e-3
