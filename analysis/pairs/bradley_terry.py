"""Bradley–Terry strengths of interventions, with Davidson's ties.

With log-strengths λ, one of which is 0, and the ties' parameter ν (Davidson 1970, J. American
Statistical Association 65, 317–328):

    P(i) ∝ e^λᵢ,   P(j) ∝ e^λⱼ,   P(no difference) ∝ ν e^((λᵢ + λⱼ) / 2)

It is a multinomial logit, whose likelihood is concave and is maximised by Newton's method; without
ties it is a logistic regression. Standard errors take trials of a listener as
dependent, and trials about a feature where features were judged more than once (sandwich): the
influence of a trial on a strength is H⁻¹ times its score. By listener only, an interval of the
latter covered 79.0 to 82.0 % in studies of 40 listeners × 10 features, and is not given.

Strengths are comparable only among arms that chains of comparisons join, won and lost in both
directions (Ford 1957, American Mathematical Monthly 64, 28–33); the others are not estimable. With
ties nothing is where ν and the strengths can grow together without bound (`bounded`), as where a
steered clip was never the one that was not chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from analysis.arrays import Floats, Ints
from analysis.estimates.clustering import Linear
from analysis.estimates.descriptives import Ratings
from analysis.estimates.intervals import LEVEL
from analysis.estimates.results import Estimate, Interval, Quantity
from analysis.pairs.trials import TIE, Arm, Bools, Pairs

ALWAYS = "it was chosen in all, or in none, of its comparisons with the rest"
UNBOUNDED = (
    "no clip was chosen against the order of the others, so that strengths and “no difference” "
    "have no largest likelihood together"
)
STEPS = 200


@dataclass(frozen=True)
class Strengths:
    """A fitted model of the arms 0, 1, …, of which the first has λ = 0."""

    value: Floats
    """λ, [arm]."""
    ties: float
    """ν; 0 without ties."""
    influence: Floats
    """H⁻¹ times the score of each trial, [trial, arm]; 0 for the first arm."""
    log_likelihood: float


def fit_strengths(
    first: Ints, second: Ints, answer: Floats, n: int, weight: Floats | None = None
) -> Strengths:
    """Maximum likelihood of `n` arms from answers 1 (first), 0 (second) and ½ (no difference).

    `weight` [trial]: how often each was given; 1 if not given.
    """
    w = np.ones(len(answer)) if weight is None else weight
    tied = answer == TIE
    some = bool(np.any(tied & (w > 0)))
    # 1) z = (λ_first − λ_second) / 2 = D γ, with γ = (λ of arms but the first, log ν).
    trial = np.arange(len(answer))
    design = np.zeros((len(answer), n))
    np.add.at(design, (trial, first), 0.5)
    np.add.at(design, (trial, second), -0.5)
    design = np.hstack([design[:, 1:], np.zeros((len(answer), 1))])[:, : n - 1 + some]
    ties = np.zeros(design.shape[1])
    ties[n - 1 :] = 1.0
    gamma = np.zeros(design.shape[1])
    # 2) Newton's steps, halved while the likelihood falls.
    value, score, hessian = _likelihood(gamma, design, ties, answer, some, w)
    for _ in range(STEPS):
        step = np.linalg.solve(hessian, w @ score)
        scale = 1.0
        while scale > 1e-8:
            tried = _likelihood(gamma + scale * step, design, ties, answer, some, w)
            if tried[0] >= value - 1e-12:
                break
            scale /= 2
        gamma = gamma + scale * step
        value, score, hessian = tried
        if float(np.max(np.abs(step), initial=0.0)) < 1e-10:
            break
    influence = np.linalg.solve(hessian, (w[:, None] * score).T).T[:, : n - 1]
    return Strengths(
        value=np.concatenate([[0.0], gamma[: n - 1]]),
        ties=float(np.exp(gamma[-1])) if some else 0.0,
        influence=np.hstack([np.zeros((len(answer), 1)), influence]),
        log_likelihood=value,
    )


def _likelihood(
    gamma: Floats, design: Floats, ties: Floats, answer: Floats, some: bool, weight: Floats
) -> tuple[float, Floats, Floats]:
    """log L, the score of each trial [trial, parameter], and minus the Hessian."""
    z = design @ gamma
    log_nu = float(gamma[-1]) if some else -np.inf
    # 1) Probabilities of first, second and no difference, from predictors z, −z and log ν.
    predictors = np.stack([z, -z, np.full(len(z), log_nu)], axis=1)
    top = predictors.max(axis=1, keepdims=True)
    total = top[:, 0] + np.log(np.exp(predictors - top).sum(axis=1))
    p = np.exp(predictors - total[:, None])
    # 2) The score: the answer's row of the design, less its expected value.
    sign = np.where(answer == TIE, 0.0, 2 * answer - 1)
    tied = (answer == TIE).astype(np.float64)
    mean, tie = p[:, 0] - p[:, 1], p[:, 2]
    score = (sign - mean)[:, None] * design + (tied - tie)[:, None] * ties
    # 3) Minus the Hessian: the covariance of that row.
    var, cross, var_tie = p[:, 0] + p[:, 1] - mean**2, -mean * tie, tie * (1 - tie)
    mixed = design.T @ (weight * cross)
    hessian = design.T @ (design * (weight * var)[:, None])
    hessian += np.outer(mixed, ties) + np.outer(ties, mixed)
    hessian += np.outer(ties, ties) * float(weight @ var_tie)
    chosen = np.where(answer == TIE, log_nu if some else 0.0, sign * z)
    value = float(np.sum(weight * (chosen - total)))
    return value, score, hessian


def comparable_with(first: Ints, second: Ints, answer: Floats, n: int) -> Bools:
    """The arms whose strength against arm 0 is finite, [arm]: its strong component (Ford)."""
    won = np.concatenate([first[answer > 0], second[answer < 1]])
    lost = np.concatenate([second[answer > 0], first[answer < 1]])
    graph = sparse.csr_array((np.ones(len(won)), (won, lost)), shape=(n, n))
    _, part = sparse.csgraph.connected_components(graph, connection="strong")
    return np.asarray(part == part[0])


def bounded(first: Ints, second: Ints, answer: Floats, n: int) -> bool:
    """Whether arms that are comparable have finite strengths and ν.

    With ties they have not if there are numbers d, [arm], so that the chosen clip's is at least 1
    above the other's in every choice, and two that were tied are at most 1 apart: along λ = 2 d t,
    log ν = t the likelihood never falls. Such d exist unless a cycle of arms has more choices than
    ties: shortest paths, in which a choice is −1 from the chosen arm to the other, a tie is 1.
    """
    tied = answer == TIE
    if not tied.any():
        return True
    length = np.full((n, n), np.inf)
    length[first[tied], second[tied]] = length[second[tied], first[tied]] = 1
    won, lost = np.where(answer == 1, first, second), np.where(answer == 1, second, first)
    length[won[~tied], lost[~tied]] = -1
    try:
        sparse.csgraph.bellman_ford(length)
    except sparse.csgraph.NegativeCycleError:
        return True
    return False


@dataclass(frozen=True)
class Compared:
    """The arms of some trials, and the strengths of those that can be compared with the first."""

    arms: list[Arm]
    place: Ints
    """Each arm's number in `found`; −1 where it is not comparable, [arm]."""
    found: Strengths | None
    """None where no other arm can be compared with the first, or the likelihood has no maximum."""
    trials: Pairs
    """Those that the strengths are of."""


def compare_arms(pairs: Pairs) -> Compared:
    """Fit the arms of the trials; the first is the unsteered clip, or else the most frequent."""
    arms = _arms(pairs)
    number = {arm: i for i, arm in enumerate(arms)}
    first, second = (np.array([number[a] for a in side]) for side in (pairs.first, pairs.second))
    finite = comparable_with(first, second, pairs.answer, len(arms))
    place = np.where(finite, np.cumsum(finite) - 1, -1)
    inside = finite[first] & finite[second] & (first != second)
    if finite.sum() < 2:
        return Compared(arms, place, None, pairs)
    trials = pairs.only(inside)
    given = (place[first[inside]], place[second[inside]], trials.answer, int(finite.sum()))
    return Compared(arms, place, fit_strengths(*given) if bounded(*given) else None, trials)


def describe_strengths(pairs: Pairs, method: str, level: float = LEVEL) -> Iterator[Estimate]:
    """Each arm's log-strength against the first; nothing of two arms, whose share says it all."""
    if len(set(pairs.first + pairs.second)) < 3:
        return
    compared = compare_arms(pairs)
    ratings, found = compared.trials.ratings(method), compared.found
    for arm, place in zip(compared.arms[1:], compared.place.tolist()[1:], strict=True):
        label = f"Bradley–Terry log-strength of {arm.words}, against {compared.arms[0].words}"
        quantity = ratings.quantity(strength_name(arm), label, "coefficient", level)
        if found is None or place < 0:
            yield quantity.not_estimable(ALWAYS if place < 0 else UNBOUNDED)
        else:
            yield _strength(found, place, ratings, quantity)
    if found is not None and found.ties:
        label = "Davidson’s ν: P(no difference) of two equal clips is ν / (2 + ν)"
        quantity = ratings.quantity("pair_ties", label, "none", level)
        yield quantity.estimated(found.ties, Interval.none("no interval was measured to hold"))


def _strength(found: Strengths, place: int, ratings: Ratings, quantity: Quantity) -> Estimate:
    """A log-strength with its interval by the recommended clustering."""
    value, influence = float(found.value[place]), found.influence[:, place]
    own = Linear(value, influence, ratings.participant, ratings.feature)
    interval = own.student(own.recommended, quantity.level, (-np.inf, np.inf))
    return quantity.estimated(value, interval, clustered_by=own.recommended)


def strength_name(arm: Arm) -> str:
    """The name of an arm's log-strength."""
    return f"pair_strength_{arm.key}"


def _arms(pairs: Pairs) -> list[Arm]:
    """All arms; first the unsteered clip, or else the one that is in most trials."""
    both: Sequence[Arm] = pairs.first + pairs.second
    arms = sorted(set(both))
    plain = [arm for arm in arms if arm.role == "plain"]
    reference = plain[0] if plain else max(arms, key=lambda arm: (both.count(arm), arm))
    return [reference, *(arm for arm in arms if arm != reference)]
