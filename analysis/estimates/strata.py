"""Several studies, or versions of a study, in one table: each is a *stratum*.

Methods are compared within strata: a difference is Σ_s w_s d_s over the strata in which both have
ratings, with weights w_s ∝ n_A n_B / (n_A + n_B) (Cochran 1954, Biometrics 10, 417–451). They give
the smallest variance if ratings are equally noisy everywhere; a stratum in which one method has
most ratings counts little. Pooled, a method that was rated more in the study with easier features
would seem better for that alone.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.arrays import Floats, Ints
from analysis.estimates.intervals import codes


def strata_of(frame: pd.DataFrame) -> pd.Series[str]:
    """The study and version of each row, as far as the table has them."""
    named = pd.Series("", index=frame.index)
    for column in ("study", "study_version"):
        if column in frame.columns:
            named = named + column.replace("study_", "") + " " + frame[column] + " "
    return named.str.strip()


def stratum_of(frame: pd.DataFrame) -> Ints | None:
    """The number of each row's stratum, from 0; None where all rows are of one."""
    number, n = codes(strata_of(frame))
    return number if n > 1 else None


def comparable(frame: pd.DataFrame, a: str, b: str) -> pd.Series[bool]:
    """The rows of two methods in strata that have both of them."""
    named = strata_of(frame)
    of_a, of_b = frame["method"] == a, frame["method"] == b
    both = set(named[of_a]) & set(named[of_b])
    return (of_a | of_b) & named.isin(both)


def weights(stratum: Ints, is_a: npt.NDArray[np.bool_]) -> Floats:
    """w_s [stratum]; they add up to 1."""
    n_a = np.bincount(stratum[is_a], minlength=int(stratum.max()) + 1).astype(np.float64)
    n_b = np.bincount(stratum[~is_a], minlength=len(n_a)).astype(np.float64)
    product = n_a * n_b / np.maximum(n_a + n_b, 1.0)
    return np.asarray(product / product.sum())
