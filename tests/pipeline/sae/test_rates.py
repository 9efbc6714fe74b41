"""The learning rate of a config that gives none."""

from __future__ import annotations

import pytest

from pipeline.config import SaeConfig
from pipeline.sae.rates import default_rate, rate_of


@pytest.mark.parametrize(
    ("n", "steps", "rate"),
    [
        (768, 1_500, 6e-3),
        (4_096, 5_000, 6e-3),
        (16_384, 5_000, 3e-3),
        (65_536, 1_000, 1.5e-3),
        (4_096, 20_000, 3e-3),
        (16_384, 80_000, 7.5e-4),
    ],
)
def test_the_rate_falls_with_wider_dictionaries_and_longer_trainings(
    n: int, steps: int, rate: float
) -> None:
    assert default_rate(n, steps) == pytest.approx(rate)
    assert rate_of(SaeConfig(steps=steps), n) == pytest.approx(rate)
    assert rate_of(SaeConfig(steps=steps, learning_rate=1e-4), n) == 1e-4
