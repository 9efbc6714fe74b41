"""Which other features move when one is steered."""

from __future__ import annotations

import numpy as np

from pipeline.steering.interventions import Asked
from pipeline.steering.moved import moved_records
from pipeline.steering.plan import PLAIN, POOL, Clip
from pipeline.steering.settings import EvaluationConfig

SAE = "layer1-n128-k4"


def test_others_are_listed_by_how_far_they_move_on_average_over_seeds() -> None:
    kept, spread = np.array([2, 5, 9]), np.array([1.0, 2.0, 1.0])
    asked = Asked("Simple melody")

    def clip(feature: str, intervention: str, alpha: float, seed: int, draw: int = 0) -> Clip:
        return Clip(feature, intervention, draw, alpha, seed, 1.0, asked)

    steered = f"{SAE}/2"
    read = {
        clip("", PLAIN, 0.0, 0): [0, 1, 1],
        clip("", PLAIN, 0.0, 1): [0, 2, 2],
        # The feature itself moves most, and another α is not looked at.
        clip(steered, "add", 1.0, 0): [9, 1 + 4, 1 - 4],
        clip(steered, "add", 1.0, 1): [9, 2 + 8, 2 + 1],
        clip(steered, "add", 2.0, 0): [9, 99, 99],
        clip("", POOL, 1.0, 0): [0, 1 - 2, 1],
        clip("", POOL, 1.0, 1): [0, 2 + 6, 2 + 2],
        clip("", POOL, 1.0, 0, draw=1): [0, 1 - 4, 1 - 3],
        clip("", POOL, 1.0, 1, draw=1): [0, 2 - 8, 2 - 1],
    }
    latents = np.array([*read.values()], dtype=float)
    config = EvaluationConfig(prompt=asked.prompt)
    rows = list(moved_records(SAE, [*read], latents, kept, spread, config))
    assert {(row.feature, row.intervention, row.seeds) for row in rows} == {(steered, "add", 2)}
    found = [(row.rank, row.other, row.moved, row.random_moved) for row in rows]
    # (4 + 8) / 2 seeds / 2 deviations; (−4 + 1) / 2 seeds. Random: means over seeds are 1 and −3, 1
    # and −2; then their sizes, whatever their sign.
    assert found == [(1, f"{SAE}/5", 3.0, 2.0), (2, f"{SAE}/9", -1.5, 1.5)]
