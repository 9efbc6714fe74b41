"""Family-wise false alarms and repeated intervals of three planned looks, in simulated studies.

    python -m benchmarks.statistics_looks [--studies 2000] [--cells NAME ...]

Studies of three methods are looked at after a third, two thirds and all of their participants, and
each time the report's own default test of each comparison is made and adjusted as the report does
it (`adjusted`: Holm over sequential p-values). A study raises a false alarm if, at any look, a true
null hypothesis is rejected at 5 %. Under `one differs`, one of three hypotheses is true: two tests
are soon rejected, and the third takes over their α. `power` is the share of studies in which a test
of the method that differs rejects by the last look, `early` before it.

Each look also has the report's repeated interval of each difference (`repeated`): `all looks` is
the share of intervals that contain the true difference at every look, `at the stop` at the look at
which a study of this comparison only would have stopped, and `plain at the stop` that of the
interval that takes no account of looks.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from scipy import stats

from analysis.arrays import Floats
from analysis.estimates.clustering import WAYS
from analysis.estimates.comparisons import mean_difference
from analysis.estimates.hypothesis_tests import adjusted, mean_test
from analysis.estimates.intervals import LEVEL
from analysis.estimates.looks import sequential
from analysis.estimates.method_pairs import Pair, pair_from
from analysis.estimates.repeated import repeated
from analysis.estimates.results import Estimate
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


def truth(cell: Cell, a: str, b: str) -> float:
    """The difference of two methods' mean ratings: of a normal latent rating, cut into five."""
    parts = [0.6, 0.5, 1.0, 0.4 * (cell.things > 0), 0.3 * cell.within]
    spread = math.sqrt(sum(part**2 for part in parts))
    mean = {
        m: sum(stats.norm.sf((cut - cell.differs * (m == "coda")) / spread) for cut in CUTS)
        for m in METHODS
    }
    return float(mean[a] - mean[b])


@dataclass(frozen=True)
class Looked:
    """What one study showed, each [look, pair]."""

    rejects: Floats
    """Whether the family's test of the comparison rejects."""
    alone: Floats
    """Whether the test on its own does, at the look's nominal level."""
    covers: Floats
    """Whether the repeated interval contains the true difference."""
    plain: Floats
    """Whether the usual interval does."""


def looked(frame: pd.DataFrame, true: list[float]) -> dict[str, Looked]:
    """For each spending function."""
    planned = frame["participation"].nunique()
    found: dict[str, list[list[list[bool]]]] = {spending: [] for spending in SPENDINGS}
    for fraction in FRACTIONS:
        counted = math.ceil(fraction * planned)
        seen = frame[frame["participation"] < counted]
        pairs = [_pair(seen, *pair) for pair in PAIRS]
        tests, plain = [mean_test(pair) for pair in pairs], _intervals(pairs, LEVEL)
        for spending in SPENDINGS:
            look = look_at(Looks(FRACTIONS, spending, planned), planned, counted)
            wide = repeated(plain, tests, look, partial(_intervals, pairs))
            found[spending].append(
                [
                    [
                        t.p_adjusted is not None and t.p_adjusted <= 0.05
                        for t in adjusted(tests, look)
                    ],
                    [
                        p <= 0.05
                        for p in sequential([1.0 if t.p is None else t.p for t in tests], look)
                    ],
                    [_covers(e, d) for e, d in zip(wide, true, strict=True)],
                    [_covers(e, d) for e, d in zip(plain, true, strict=True)],
                ]
            )
    return {s: Looked(*np.array(found[s], dtype=np.float64).swapaxes(0, 1)) for s in SPENDINGS}


def _intervals(pairs: list[Pair], level: float) -> list[Estimate]:
    """The recommended interval of each difference."""
    every = [mean_difference(p, seed=0, resamples=0, level=level, ways=WAYS) for p in pairs]
    return [next(e for e in of if e.recommended) for of in every]


def _covers(e: Estimate, true: float) -> bool:
    return e.low is not None and e.high is not None and e.low <= true <= e.high


def _pair(seen: pd.DataFrame, a: str, b: str) -> Pair:
    frame = seen[seen["method"].isin([a, b])]
    return pair_from(frame, a, b, frame["rating"].to_numpy(dtype=np.float64))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--cells", nargs="+", default=list(CELLS), choices=CELLS, metavar="NAME")
    given = parser.parse_args()
    heads = ("false alarms", "power", "early", "all looks", "at the stop", "plain at the stop")
    print(f"{'design, %':<40}{'spending':<16}" + "".join(f"{h:>19}" for h in heads))
    for name in given.cells:
        cell = CELLS[name]
        true = [truth(cell, *pair) for pair in PAIRS]
        with one_thread():
            found = [
                looked(study(cell, np.random.default_rng(seed)), true)
                for seed in range(given.studies)
            ]
        for spending in SPENDINGS:
            shares = _shares([one[spending] for one in found], cell)
            row = "".join(f"{'' if s is None else f'{100 * s:.1f}':>19}" for s in shares)
            print(f"{name:<40}{spending:<16}{row}", flush=True)


def _shares(found: list[Looked], cell: Cell) -> list[float | None]:
    """The columns of a design's row."""
    # 1) False alarms and power, of [study, look, pair].
    rejects = np.array([one.rejects for one in found])
    true = [0] if cell.differs else [0, 1, 2]
    alarms = float(rejects[:, :, true].any(axis=(1, 2)).mean())
    power, early = (
        float(rejects[:, :k, 1:].any(axis=(1, 2)).mean()) if cell.differs else None for k in (3, 2)
    )
    # 2) Each comparison stops at the first look at which its test rejects, or at the last.
    alone = np.array([one.alone for one in found])
    alone[:, -1] = 1
    stop = np.argmax(alone, axis=1)[:, None]
    covers, plain = (np.array([getattr(one, k) for one in found]) for k in ("covers", "plain"))
    stopped = [float(np.take_along_axis(c, stop, axis=1).mean()) for c in (covers, plain)]
    return [alarms, power, early, float(covers.all(axis=1).mean()), *stopped]


if __name__ == "__main__":
    main()
