"""Levels of sequential looks against published values: `analysis.estimates.looks`."""

import numpy as np
import pytest
from scipy import stats

from analysis.estimates.looks import boundaries, nominal_levels, sequential_p, spent

THIRDS, QUARTERS = (1 / 3, 2 / 3, 1.0), (0.25, 0.5, 0.75, 1.0)


@pytest.mark.parametrize(
    ("spending", "fractions", "published"),
    [
        # DeMets and Lan 1994, Statistics in Medicine 13, 1341–1352, and programs that repeat them.
        ("obrien-fleming", THIRDS, (3.7103, 2.5114, 1.9930)),
        ("obrien-fleming", QUARTERS, (4.3326, 2.9631, 2.3590, 2.0141)),
        ("pocock", THIRDS, (2.2794, 2.2949, 2.2959)),
        ("pocock", QUARTERS, (2.3683, 2.3675, 2.3582, 2.3500)),
    ],
)
def test_boundaries_are_the_published_ones(
    spending: str, fractions: tuple[float, ...], published: tuple[float, ...]
) -> None:
    assert boundaries(spending, fractions) == pytest.approx(published, abs=1e-4)


@pytest.mark.parametrize("spending", ["obrien-fleming", "pocock"])
def test_what_is_spent_is_the_chance_of_having_crossed(spending: str) -> None:
    fractions = (0.3, 0.45, 1.0)
    found = boundaries(spending, fractions, 0.1)
    for k in (1, 2, 3):
        t = np.array(fractions[:k])
        same = stats.multivariate_normal(
            cov=np.sqrt(np.minimum.outer(t, t) / np.maximum.outer(t, t))
        )
        inside = same.cdf(np.array(found[:k]), lower_limit=-np.array(found[:k]))
        assert 1 - inside == pytest.approx(spent(spending, fractions[k - 1], 0.1), abs=1e-5)
    assert spent(spending, 1.0, 0.1) == pytest.approx(0.1)


@pytest.mark.parametrize("spending", ["obrien-fleming", "pocock"])
def test_a_sequential_p_is_alpha_where_p_is_the_nominal_level(spending: str) -> None:
    for k in (1, 2, 3):
        level = nominal_levels(spending, THIRDS[:k])[-1]
        assert sequential_p(level, spending, THIRDS[:k]) == pytest.approx(0.05, abs=1e-6)
        assert sequential_p(level / 2, spending, THIRDS[:k]) < 0.05
    assert sequential_p(0.9, spending, THIRDS[:1]) == 1.0
    assert 0 < sequential_p(0.0, spending, THIRDS) < 1e-9
