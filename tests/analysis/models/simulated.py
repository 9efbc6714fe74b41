"""Simulated answers for the tests of joint models; R's numbers in the tests are of these."""

from __future__ import annotations

import numpy as np

from analysis.models.joint import Answers


def simulated(
    seed: int, people: int, things: int, methods: int, *, within: bool, each: int
) -> Answers:
    """`each` features per participant and method; within: participants rate every method."""
    rng = np.random.default_rng(seed)
    person, method, thing = [], [], []
    for i in range(people):
        for m in range(methods) if within else [i % methods]:
            thing.append(rng.choice(things, size=each, replace=False))
            person.append(np.full(each, i))
            method.append(np.full(each, m))
    p, m, f = (np.concatenate(parts) for parts in (person, method, thing))
    eta = np.array([0, 0.5, -0.3])[m] + 0.8 * rng.normal(size=people)[p]
    eta = eta + 0.6 * rng.normal(size=things)[f]
    eta = eta + 0.4 * rng.normal(size=(people, methods))[p, m] * within
    eta = eta + 0.4 * rng.normal(size=(things, methods))[f, m]
    values = 1.0 + np.searchsorted([-1.5, -0.5, 0.5, 1.5], eta + rng.logistic(size=len(p)))
    return Answers(("a", "b", "c")[:methods], values, m, p, f)


def guesses(seed: int = 1) -> Answers:
    """Right (1) and wrong (0) choices among five or three options."""
    rng = np.random.default_rng(seed)
    people, things, n = 40, 30, 1200
    p = np.repeat(np.arange(people), 30)
    f = np.concatenate([rng.permutation(things) for _ in range(people)])
    m = rng.integers(0, 3, n)
    eta = 0.3 + 0.9 * (m == 1) - 0.6 * (m == 2)
    eta = eta + 0.7 * rng.normal(size=people)[p] + 0.8 * rng.normal(size=things)[f]
    guess = np.where(rng.random(n) < 0.5, 0.2, 1 / 3)
    hit = rng.random(n) < guess + (1 - guess) / (1 + np.exp(-eta))
    return Answers(("a", "b", "c"), hit.astype(float), m, p, f, guess)
