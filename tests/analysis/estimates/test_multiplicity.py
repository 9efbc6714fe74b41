"""p-values adjusted for many tests: `analysis.estimates.multiplicity`."""

import pytest
from scipy import stats

from analysis.estimates.multiplicity import benjamini_hochberg, holm

# Benjamini and Hochberg (1995), section 4: 15 p-values of a study of thrombolysis.
BH_1995 = [
    0.0001,
    0.0004,
    0.0019,
    0.0095,
    0.0201,
    0.0278,
    0.0298,
    0.0344,
    0.0459,
    0.3240,
    0.4262,
    0.5719,
    0.6528,
    0.7590,
    1.0000,
]


def test_benjamini_hochberg_rejects_four_of_1995_s_fifteen() -> None:
    assert sum(p <= 0.05 for p in benjamini_hochberg(BH_1995)) == 4
    # Bonferroni's method rejects three there, and so does Holm's.
    assert sum(p <= 0.05 for p in holm(BH_1995)) == 3
    assert benjamini_hochberg(BH_1995) == pytest.approx(
        stats.false_discovery_control(BH_1995).tolist(), abs=1e-12
    )


def test_holm_by_hand_and_in_any_order() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.04, 0.03, 0.01]) == pytest.approx([0.06, 0.06, 0.03])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == benjamini_hochberg([]) == []
