"""Family-wise false alarms of three planned looks, in simulated studies.

    python -m benchmarks.statistics_looks [--studies 2000]

Studies of three methods are looked at after a third, two thirds and all of their participants, and
each time the report's own default test of each comparison is made and adjusted as the report does
it (`adjusted`: Holm over sequential p-values). A study raises a false alarm if, at any look, a true
null hypothesis is rejected at 5 %. Under `one differs`, one of three hypotheses is true: two tests
are soon rejected, and the third takes over their α. `power` is the share of studies in which a test
of the method that differs rejects by the last look, `early` before it.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.arrays import Floats
from analysis.estimates.hypothesis_tests import adjusted, mean_test
from analysis.estimates.method_pairs import Pair, pair_from
from analysis.reading.looks import SPENDINGS, Looks, look_at
from analysis.threads import one_thread

METHODS = ("alto", "brio", "coda")
PAIRS = (("alto", "brio"), ("alto", "coda"), ("brio", "coda"))
FRACTIONS = (1 / 3, 2 / 3, 1.0)
CUTS = (-1.2, -0.4, 0.4, 1.2)


@dataclass(frozen=True)
class Cell:
    """One design; participants of each method, or of all within participants."""

    people: int
    things: int
    """Features; 0: each rating is of a feature of its own."""
    within: bool = False
    differs: float = 0.0
    """How far the third method lies above the others."""


CELLS = {
    "between, 30 a method, own features": Cell(30, 0),
    "between, 30 a method × 100 features": Cell(30, 100),
    "between, 60 a method × 20 features": Cell(60, 20),
    "within, 45 × 30 features": Cell(45, 30, within=True),
    "between, 30 a method, one differs": Cell(30, 0, differs=0.6),
    "within, 45 × 30 features, one differs": Cell(45, 30, within=True, differs=0.5),
}


def study(cell: Cell, rng: np.random.Generator) -> pd.DataFrame:
    """Ratings in the order in which participants came: ten trials each."""
    people = cell.people * (1 if cell.within else len(METHODS))
    person = np.repeat(np.arange(people), 10)
    method = rng.integers(0, 3, len(person)) if cell.within else person % 3
    things = cell.things or len(person)
    thing = (
        np.concatenate([rng.choice(things, 10, replace=False) for _ in range(people)])
        if cell.things
        else np.arange(len(person))
    )
    eta = rng.normal(0, 0.6, people)[person] + rng.normal(0, 0.5, things)[thing]
    if cell.things:
        eta = eta + rng.normal(0, 0.4, (things, 3))[thing, method]
    if cell.within:
        eta = eta + rng.normal(0, 0.3, (people, 3))[person, method]
    eta = eta + cell.differs * (method == 2) + rng.normal(size=len(person))
    return pd.DataFrame(
        {
            "participation": person,
            "method": np.array(METHODS)[method],
            "feature_key": thing,
            "rating": 1.0 + np.searchsorted(CUTS, eta),
        }
    )


def rejected(frame: pd.DataFrame) -> dict[str, Floats]:
    """Whether each comparison's test rejects, [look, pair], for each spending function."""
    planned = frame["participation"].nunique()
    found = {spending: np.zeros((len(FRACTIONS), len(PAIRS))) for spending in SPENDINGS}
    for k, fraction in enumerate(FRACTIONS):
        counted = math.ceil(fraction * planned)
        seen = frame[frame["participation"] < counted]
        tests = [mean_test(_pair(seen, *pair)) for pair in PAIRS]
        for spending in SPENDINGS:
            look = look_at(Looks(FRACTIONS, spending, planned), planned, counted)
            done = adjusted(tests, look)
            found[spending][k] = [t.p_adjusted is not None and t.p_adjusted <= 0.05 for t in done]
    return found


def _pair(seen: pd.DataFrame, a: str, b: str) -> Pair:
    frame = seen[seen["method"].isin([a, b])]
    return pair_from(frame, a, b, frame["rating"].to_numpy(dtype=np.float64))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    given = parser.parse_args()
    print(f"{'design':<40}{'spending':<16}{'false alarms %':>16}{'power %':>10}{'early %':>10}")
    for name, cell in CELLS.items():
        with one_thread():
            found = [
                rejected(study(cell, np.random.default_rng(seed))) for seed in range(given.studies)
            ]
        for spending in SPENDINGS:
            alarms = _row(np.array([one[spending] for one in found]), cell)
            print(f"{name:<40}{spending:<16}{alarms}", flush=True)


def _row(found: Floats, cell: Cell) -> str:
    """`found` is [study, look, pair]."""
    true = [0] if cell.differs else [0, 1, 2]
    alarms = 100 * float(found[:, :, true].any(axis=(1, 2)).mean())
    if not cell.differs:
        return f"{alarms:>16.1f}"
    power, early = (float(found[:, :k, 1:].any(axis=(1, 2)).mean()) for k in (3, 2))
    return f"{alarms:>16.1f}{100 * power:>10.1f}{100 * early:>10.1f}"


if __name__ == "__main__":
    main()
