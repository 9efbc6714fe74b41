"""The curvature of several random effects against a dense one: `analysis.models.curvature`."""

import numpy as np
import pytest
from scipy import linalg

from analysis.arrays import Floats, Ints
from analysis.models.curvature import Curvature, layout_of
from analysis.models.joint import random_effects
from tests.analysis.models.simulated import simulated

WITHIN = random_effects(simulated(0, 9, 8, 3, within=True, each=4))
SIGMA = {
    "participant": 0.7,
    "feature": 0.5,
    "participant:method": 0.4,
    "feature:method": 0.9,
}


def dense(levels: list[Ints], sigma: list[float]) -> Floats:
    """Z, [rating, level of any effect]."""
    return np.hstack(
        [s * np.eye(int(at.max()) + 1)[at] for at, s in zip(levels, sigma, strict=True)]
    )


@pytest.mark.parametrize(
    ("names", "block"),
    [
        (["participant"], 1),
        (["feature", "participant"], 1),
        (["participant:method", "participant"], 4),
        (["participant", "feature", "feature:method"], 4),
        (["participant", "participant:method", "feature", "feature:method"], 4),
    ],
)
def test_determinant_products_and_leverages_are_those_of_the_dense_matrix(
    names: list[str], block: int
) -> None:
    levels, sigma = [WITHIN[name] for name in names], [SIGMA[name] for name in names]
    sizes = tuple(int(at.max()) + 1 for at in levels)
    rng = np.random.default_rng(1)
    weight = rng.uniform(0.05, 0.3, len(levels[0]))
    z = dense(levels, sigma)
    h = np.eye(z.shape[1]) + z.T @ (weight[:, None] * z)
    layout = layout_of(tuple(levels), sizes)
    curvature = Curvature(weight, layout, sigma)
    assert layout.block == block
    assert curvature.log_det == pytest.approx(np.linalg.slogdet(h)[1])
    right = rng.normal(size=len(h))
    parts = np.split(right, np.cumsum(sizes)[:-1])
    assert np.concatenate(curvature.solve(parts)) == pytest.approx(np.linalg.solve(h, right))
    leverages, own = curvature.leverages()
    solved = np.linalg.solve(h, z.T)
    assert leverages == pytest.approx(np.sum(z.T * solved, axis=0))
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    for start, at, found in zip(first, levels, own, strict=True):
        assert found == pytest.approx(solved[start + at, np.arange(len(at))])


def test_an_effect_with_many_levels_inside_another_is_not_eliminated_with_it() -> None:
    fine = np.arange(40)
    assert layout_of((fine // 20, fine), (2, 40)).coarse is None
    assert layout_of((fine // 10, fine), (4, 40)).coarse == 0


def test_weights_that_are_negative_enough_are_refused() -> None:
    levels = (np.repeat(np.arange(3), 4),)
    with pytest.raises(linalg.LinAlgError):
        Curvature(np.full(12, -1.0), layout_of(levels, (3,)), [1.0])
