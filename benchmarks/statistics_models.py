"""False alarms of the tests that come with the joint ordinal model, in simulated studies.

    python -m benchmarks.statistics_models [--studies 300] [--cells NAME ...]

Each cell is a design in which the null hypothesis of every test is true: the methods are alike,
odds are proportional and noise is equal, while participants, features and their own preferences for
a method differ. `styles` adds what the model does not have: participants who spread their answers
widely or narrowly, each by their own factor. The table gives the share of studies with p < .05.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats
from analysis.models.assumptions import fit_nominal, fit_scale
from analysis.models.data import NotFitted
from analysis.models.joint import Answers, Joint, fit_joint
from analysis.threads import one_thread

METHODS = ("alto", "brio", "coda", "dolce", "echo")


@dataclass(frozen=True)
class Cell:
    """One design."""

    people: int
    things: int
    methods: int
    each: int
    """Features per participant and method."""
    within: bool
    thresholds: tuple[float, ...] = (-1.5, -0.5, 0.5, 1.5)
    styles: float = 0.0
    """Standard deviation of the logarithm of a participant's own spread of answers."""


CELLS = {
    "within 12 × 20": Cell(12, 20, 2, 20, True),
    "within 40 × 20, three methods": Cell(40, 20, 3, 6, True),
    "between 10 + 10 × 10": Cell(20, 10, 2, 10, False),
    "between 20 + 20 × 10": Cell(40, 10, 2, 10, False),
    "between 40 + 40 × 80, three ratings": Cell(80, 80, 2, 6, False),
    "between 3 × 15 × 20": Cell(45, 20, 3, 10, False),
    "between 5 × 10 × 20": Cell(50, 20, 5, 10, False),
    "ceiling, between 20 + 20 × 10": Cell(40, 10, 2, 10, False, (-3.5, -2.5, -1.5, -0.5)),
    "styles 0.3, within 12 × 20": Cell(12, 20, 2, 20, True, styles=0.3),
    "styles 0.3, between 20 + 20 × 10": Cell(40, 10, 2, 10, False, styles=0.3),
    "styles 0.3, between 40 + 40 × 80": Cell(80, 80, 2, 6, False, styles=0.3),
}


def answers(cell: Cell, rng: np.random.Generator) -> Answers:
    """One study, in which the methods are alike."""
    person, method, thing = [], [], []
    for i in range(cell.people):
        for number in range(cell.methods) if cell.within else [i % cell.methods]:
            thing.append(rng.choice(cell.things, size=cell.each, replace=False))
            person.append(np.full(cell.each, i))
            method.append(np.full(cell.each, number))
    p, m, f = (np.concatenate(parts) for parts in (person, method, thing))
    eta = rng.normal(0, 0.8, cell.people)[p] + rng.normal(0, 0.6, cell.things)[f]
    eta = eta + rng.normal(0, 0.5, (cell.things, cell.methods))[f, m]
    if cell.within:
        eta = eta + rng.normal(0, 0.5, (cell.people, cell.methods))[p, m]
    spread = np.exp(rng.normal(0, cell.styles, cell.people))[p]
    latent = (eta + rng.logistic(size=len(p))) * spread
    ratings = 1.0 + np.searchsorted(cell.thresholds, latent)
    return Answers(METHODS[: cell.methods], ratings, m, p, f)


TESTS: dict[str, Callable[[Joint], float]] = {
    "t of the first two": lambda joint: joint.p_value("alto", "brio")[1],
    "F of all methods": lambda joint: joint.omnibus()[2],
    "proportional odds": lambda joint: fit_nominal(joint).test.p,
    "equal scale": lambda joint: fit_scale(joint).test.p,
}


def p_values(cell: Cell, seed: int) -> dict[str, float]:
    """Each test's p in one study; NaN where it could not be made."""
    with one_thread():
        try:
            joint = fit_joint(answers(cell, np.random.default_rng(seed)))
        except NotFitted:
            return dict.fromkeys(TESTS, np.nan)
        return {name: _p(test, joint) for name, test in TESTS.items()}


def _p(test: Callable[[Joint], float], joint: Joint) -> float:
    try:
        return test(joint)
    except NotFitted:
        return np.nan


def shares(cell: Cell, studies: int) -> dict[str, tuple[float, int]]:
    """Each test's share of p < .05, and the number of studies it was made in."""
    found = [p_values(cell, seed) for seed in range(studies)]
    done = {}
    for name in TESTS:
        p: Floats = np.array([one[name] for one in found])
        p = p[np.isfinite(p)]
        done[name] = (float(np.mean(p < 0.05)) if len(p) else np.nan, len(p))
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=300)
    parser.add_argument("--cells", nargs="+", default=list(CELLS), choices=CELLS)
    given = parser.parse_args()
    print(f"{'false alarms at 5 %, (studies)':<38}" + "".join(f"{name:>22}" for name in TESTS))
    for name in given.cells:
        cells = [f"{100 * s:.1f} ({n})" for s, n in shares(CELLS[name], given.studies).values()]
        print(f"{name:<38}" + "".join(f"{cell:>22}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
