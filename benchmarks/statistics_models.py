"""False alarms of the tests that come with the joint ordinal model, in simulated studies.

    python -m benchmarks.statistics_models [--studies 300] [--cells NAME ...] [--tests spreads]

Each cell is a design in which the null hypothesis of every test is true: the methods are alike,
odds are proportional and noise is equal, while participants, features and their own preferences for
a method differ. `styles` adds what the model does not have: participants who spread their answers
widely or narrowly, each by their own factor. The table gives the share of studies with p < .05.

Moderators do not matter either: the place of a trial (drawn at random), a headphone check that 70 %
pass, and musical training. In `trends`, each listener's answers rise or fall over the trials by a
slope of their own, 0 on average.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Floats
from analysis.estimates.intervals import LEVEL
from analysis.models.assumptions import fit_nominal, fit_scale
from analysis.models.data import NotFitted
from analysis.models.joint import Answers, Joint, fit_joint
from analysis.models.mixed import sigma_interval
from analysis.models.moderators import fit_slopes
from analysis.reading.moderators import HEADPHONES, TRAINING, TRIAL
from analysis.threads import one_thread

SPREADS = {"participant": 0.8, "feature": 0.6, "feature:method": 0.5, "participant:method": 0.5}
"""Standard deviations on the latent scale; the last only within participants."""
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
    trends: float = 0.0
    """Standard deviation of participants' own changes, per standard deviation of the place."""


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
    "trends 0.3, within 12 × 20": Cell(12, 20, 2, 20, True, trends=0.3),
    "trends 0.3, between 20 + 20 × 10": Cell(40, 10, 2, 10, False, trends=0.3),
}


@dataclass(frozen=True)
class Drawn:
    """One study."""

    answers: Answers
    moderators: dict[str, Floats]
    """Values of each, [rating]."""


def draw(cell: Cell, rng: np.random.Generator) -> Drawn:
    """One study, in which the methods are alike, and nothing moderates the ratings."""
    person, method, thing = [], [], []
    for i in range(cell.people):
        for number in range(cell.methods) if cell.within else [i % cell.methods]:
            thing.append(rng.choice(cell.things, size=cell.each, replace=False))
            person.append(np.full(cell.each, i))
            method.append(np.full(cell.each, number))
    p, m, f = (np.concatenate(parts) for parts in (person, method, thing))
    sd = SPREADS
    eta = rng.normal(0, sd["participant"], cell.people)[p]
    eta = eta + rng.normal(0, sd["feature"], cell.things)[f]
    eta = eta + rng.normal(0, sd["feature:method"], (cell.things, cell.methods))[f, m]
    if cell.within:
        eta = eta + rng.normal(0, sd["participant:method"], (cell.people, cell.methods))[p, m]
    # Each participant's trials in an order of their own.
    place = np.concatenate([rng.permutation(int(n)) for n in np.bincount(p)]).astype(np.float64)
    trend = rng.normal(0, cell.trends, cell.people)[p]
    eta = eta + trend * (place - place.mean()) / place.std()
    spread = np.exp(rng.normal(0, cell.styles, cell.people))[p]
    latent = (eta + rng.logistic(size=len(p))) * spread
    ratings = 1.0 + np.searchsorted(cell.thresholds, latent)
    passed = (rng.permutation(cell.people) < 0.7 * cell.people)[p].astype(np.float64)
    moderators = {TRIAL: place, HEADPHONES: passed, TRAINING: rng.normal(size=cell.people)[p]}
    return Drawn(Answers(METHODS[: cell.methods], ratings, m, p, f), moderators)


Given = dict[str, Floats]
OF_THE_MODEL: dict[str, Callable[[Joint, Given], list[float]]] = {
    "t of the first two": lambda joint, _: [joint.p_value("alto", "brio")[1]],
    "F of all methods": lambda joint, _: [joint.omnibus()[2]],
    "proportional odds": lambda joint, _: [fit_nominal(joint).test.p],
    "equal scale": lambda joint, _: [fit_scale(joint).test.p],
}


def _of_moderator(name: str) -> Callable[[Joint, Given], list[float]]:
    """The p of its average slope, and of the same slope under all methods."""

    def found(joint: Joint, moderators: Given) -> list[float]:
        slopes = fit_slopes(joint, moderators[name], scaled=name != HEADPHONES)
        return [slopes.p_average, slopes.p_interaction]

    return found


def _of_spread(name: str) -> Callable[[Joint, Given], list[float]]:
    """1 where the interval of a random effect's standard deviation has the true one in it, or 0."""

    def found(joint: Joint, _: Given) -> list[float]:
        if name not in joint.random:
            raise NotFitted("dropped")
        place = joint.random.index(name)
        sigma, error = float(joint.fit.sigma[place]), float(joint.fit.sigma_se[place])
        interval = sigma_interval(sigma, error, LEVEL)
        if interval.low is None or interval.high is None:
            raise NotFitted(interval.reason)
        return [float(interval.low <= SPREADS[name] <= interval.high)]

    return found


TESTS = {
    "model": OF_THE_MODEL,
    "spreads": {f"SD of {name}": _of_spread(name) for name in SPREADS},
    "moderators": {f"{name}, same": _of_moderator(name) for name in (TRIAL, HEADPHONES, TRAINING)},
}
"""Test → its p-values in a study; of a moderator both its average slope and the same slope under
all methods. Of a standard deviation it is the test of the true one by its interval."""


def p_values(cell: Cell, seed: int, tests: str) -> dict[str, list[float]]:
    """Each test's p in one study; empty where it could not be made."""
    drawn = draw(cell, np.random.default_rng(seed))
    with one_thread():
        try:
            joint = fit_joint(drawn.answers)
        except NotFitted:
            return {}
        found = {}
        for name, test in TESTS[tests].items():
            with contextlib.suppress(NotFitted):
                found[name] = test(joint, drawn.moderators)
        return found


def shares(cell: Cell, studies: int, tests: str) -> dict[str, str]:
    """Each test's share of p < .05, %, and the number of studies it was made in."""
    found = [p_values(cell, seed, tests) for seed in range(studies)]
    done = {}
    for name in TESTS[tests]:
        p = np.array([one[name] for one in found if name in one])
        alarms = [f"{100 * share:.1f}" for share in np.mean(p < 0.05, axis=0)] if len(p) else ["–"]
        done[name] = f"{', '.join(alarms)} ({len(p)})"
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=300)
    parser.add_argument("--cells", nargs="+", default=list(CELLS), choices=CELLS)
    parser.add_argument("--tests", nargs="+", default=list(TESTS), choices=TESTS)
    given = parser.parse_args()
    for tests in given.tests:
        heads = "".join(f"{name:>22}" for name in TESTS[tests])
        print(f"{'false alarms at 5 %, (studies)':<38}{heads}")
        for name in given.cells:
            cells = shares(CELLS[name], given.studies, tests).values()
            print(f"{name:<38}" + "".join(f"{cell:>22}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
