"""What listeners chose: the method's first label, the right label, and how far they agreed.

Choices are distinguished by `chosen_label`, else by `chosen_rank`. "None of these fits" is an
answer in the shares of answers, and no choice in consensus and agreement. The share of choices of
the method's first label is over the trials that are not identification trials; those are
described in `identification`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from analysis.arrays import Floats, Ints
from analysis.estimates.choices.outcomes import (
    UNKNOWN_CHANCE,
    answered,
    candidates,
    none_fits,
    options_of,
    rank_of,
)
from analysis.estimates.descriptives import Ratings, rating_share, ratings_of
from analysis.estimates.intervals import (
    LEVEL,
    STUDENTISED,
    ClusterSums,
    codes,
    mean_interval,
    stream,
)
from analysis.estimates.results import Counts, Estimate, Interval, Quantity
from analysis.listeners.agreement import (
    Judged,
    agree,
    brennan_prediger,
    counts_table,
    krippendorff_nominal,
)
from analysis.listeners.confidence_agreement import agreement_estimate
from analysis.listeners.identification import chance, describe_identification, describe_ranks
from analysis.reading.table import RUN_SEPARATOR, Responses

ONE_CHOICE = "no feature has choices of two listeners"


@dataclass(frozen=True)
class Choices:
    """One method's choices; `label`, `options` and `item` are [rating].

    An item is what was shown: a feature with its options. Consensus and agreement are within items.
    """

    ratings: Ratings
    label: Ints
    """Number of the chosen label within the method, from 0."""
    n_labels: int
    options: Ints
    """Number of options offered; 0 where the table does not say."""
    item: Ints
    """Number of the item within the method, from 0."""

    @property
    def n_items(self) -> int:
        """Items that were shown."""
        return int(self.item.max()) + 1

    @property
    def known(self) -> bool:
        """Whether the number of options is known in every trial."""
        return bool(np.all(self.options >= 2))


def choices_of(responses: Responses, method: str) -> Choices | None:
    """The choices of a method's ratings; None if the table has none."""
    if not (responses.has("chosen_label") or responses.has("chosen_rank")):
        return None
    frame = responses.of(method)
    chosen = _chosen(frame)
    kept = frame[chosen != ""]
    if kept.empty:
        return None
    label, n_labels = codes(chosen[chosen != ""])
    options = options_of(kept)
    return Choices(ratings_of(kept, method), label, n_labels, options, _items(kept, options))


def _items(frame: pd.DataFrame, options: Ints) -> Ints:
    """Each rating's item: its feature, the column `item` where there is one, and how many options.

    A feature that was shown among three options to some and among five to others is two items.
    """
    named = frame["feature_key"]
    if "item" in frame.columns:
        named = named + RUN_SEPARATOR + frame["item"]
    both = np.stack([codes(named)[0], options], axis=1)
    return np.unique(both, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _chosen(frame: pd.DataFrame) -> pd.Series[str]:
    """Each row's choice as a text, empty where there is none."""
    if "chosen_label" in frame.columns:
        return frame["chosen_label"]
    return frame["chosen_rank"].where(frame["chosen_rank"] != "", "elsewhere")


def describe_choices(
    responses: Responses, method: str, *, seed: int, resamples: int, level: float = LEVEL
) -> list[Estimate]:
    """Every estimate of a method's choices; empty if the table has none."""
    choices = choices_of(responses, method)
    if choices is None:
        return []
    return [
        *_none_fits(responses, method, level),
        *_first_label(responses, method, level),
        *describe_identification(responses, method, level),
        *describe_ranks(responses, method, level),
        *_consensus(choices, seed, resamples, level),
        *_agreement(choices, seed, level),
    ]


NONE = "share of answers that are “none of these fits”"


def _none_fits(responses: Responses, method: str, level: float) -> Iterator[Estimate]:
    """How often no label fitted, where a listener could say so, and how often one fitted well."""
    if responses.none_fits is None:
        return
    frame = answered(responses)
    frame = frame[frame["method"] == method]
    ratings, none = ratings_of(frame, method), none_fits(frame).to_numpy(dtype=bool)
    yield from rating_share(ratings, none.astype(np.float64), "share_none_of_these", NONE, level)
    fits = (~none & (ratings.values >= 4)).astype(np.float64)
    label = "share of all answers, “none of these fits” among them, with a label and confidence ≥ 4"
    yield from rating_share(ratings, fits, "share_label_at_least_4", label, level)


def _first_label(responses: Responses, method: str, level: float) -> Iterator[Estimate]:
    """Share of choices that are the method's first label, and its expected value by chance."""
    trials = candidates(responses).of(method)
    if trials.frame.empty:
        return
    ratings, rank = trials.ratings(method), rank_of(trials.frame)
    what = "choices" if trials.chosen.all() else "answers (“none of these fits” among them)"
    label = f"share of {what} that are the method’s first label"
    yield from rating_share(ratings, trials.hit, "share_first_label", label, level)
    yield chance(trials, ratings, "share_first_label_chance", label, level)
    label = f"share of {what} that are a label from another feature"
    name = "share_label_elsewhere"
    if not np.any(rank == 0) and _only_own_labels(trials.frame):
        why = "no label from another feature was offered"
        yield ratings.quantity(name, label, "share", level).not_estimable(why)
        return
    yield from rating_share(ratings, (rank == 0).astype(np.float64), name, label, level)


def _only_own_labels(frame: pd.DataFrame) -> bool:
    """Whether every option shown has the method's own rank; False where the table does not say."""
    shown = [i for i in range(1, 6) if {f"option_{i}", f"option_rank_{i}"} <= set(frame.columns)]
    return bool(shown) and all(
        ((frame[f"option_{i}"] == "") | (frame[f"option_rank_{i}"] != "")).all() for i in shown
    )


@dataclass(frozen=True)
class Consensus:
    """A measure of consensus among the n choices on a feature."""

    label: str
    of: Callable[[Floats, Ints], Floats]
    """From counts [item, label] and options [item] to the measure [item]."""
    needs_options: bool
    """Whether the measure itself, not only its value by chance, needs the number of options."""
    by_chance: Callable[[int, int], float]
    """From n and the number of options to the expected value under random choice."""


def _consensus(choices: Choices, seed: int, resamples: int, level: float) -> Iterator[Estimate]:
    """Modal share and normalised entropy of the choices on an item, averaged over items.

    Each comes with its expected value under random choice: with few listeners per feature, chance
    alone makes the modal share high and the entropy low.
    """
    ratings = choices.ratings
    # 1) Counts [item, label] of the items with two choices or more, and their options.
    within, most = _within_items(choices)
    table = counts_table(choices.item, within, choices.n_items, most)
    n = table.sum(axis=1)
    many = n >= 2
    table, n, size = table[many], n[many], _options_of_items(choices)[many]
    if not many.any():
        for name, measure in CONSENSUS.items():
            yield ratings.quantity(name, measure.label, "share", level).not_estimable(ONE_CHOICE)
        return
    counts = Counts(int(n.sum()), ratings.n_participants, int(many.sum()))
    pairs = list(zip(n.astype(int).tolist(), size.tolist(), strict=True))
    for name, measure in CONSENSUS.items():
        quantity = Quantity(name, measure.label, "share", ratings.method, counts, level)
        by_chance = dataclasses.replace(
            quantity, name=f"{name}_chance", label=f"{measure.label}: expected under chance"
        )
        # 2) The mean over features, with an interval by feature.
        if measure.needs_options and not choices.known:
            yield quantity.not_estimable(UNKNOWN_CHANCE)
        else:
            values = measure.of(table, size)
            rng = stream(seed, f"{name} {ratings.method}")
            interval = _by_feature(values, rng, resamples, level)
            yield quantity.estimated(float(values.mean()), interval)
        # 3) The mean of the same features' expected values under random choice.
        if not choices.known:
            yield by_chance.not_estimable(UNKNOWN_CHANCE)
            continue
        expected = {pair: measure.by_chance(*pair) for pair in sorted(set(pairs))}
        yield by_chance.estimated(
            float(np.mean([expected[pair] for pair in pairs])),
            Interval.none("a constant: expected under random choice"),
        )


def _within_items(choices: Choices) -> tuple[Ints, int]:
    """Each choice's label numbered within its item, and the most labels that an item has.

    A table [item, label] then has a few columns, not one per label of all items.
    """
    named, place = np.unique(choices.item * choices.n_labels + choices.label, return_inverse=True)
    of = named // choices.n_labels
    # The labels are sorted by item: a label's number is its place after its item's first.
    number = np.arange(len(named)) - np.searchsorted(of, of)
    return number[place].astype(np.int64), int(number.max()) + 1


def _options_of_items(choices: Choices) -> Ints:
    """The number of options of each item, which all of its trials have; 2 where it is unknown."""
    size = np.full(choices.n_items, 2, dtype=np.int64)
    np.maximum.at(size, choices.item, choices.options)
    return size


def _modal_share(table: Floats, _: Ints) -> Floats:
    """The share of the most chosen label in each row of counts, [item]."""
    return np.asarray(table.max(axis=1) / table.sum(axis=1))


def _entropy(table: Floats, size: Ints) -> Floats:
    """−Σ p log p / log(options) of each row of counts, [item]; `size` [item]: options."""
    share = table / table.sum(axis=1, keepdims=True)
    logs = np.log(np.where(share > 0, share, 1.0))
    # Without abs, rounding can turn a unanimous feature's 0 into −0.
    return np.asarray(np.abs((share * logs).sum(axis=1)) / np.log(size))


def _by_feature(values: Floats, rng: np.random.Generator, resamples: int, level: float) -> Interval:
    found = mean_interval(
        ClusterSums(values, np.ones_like(values)),
        rng=rng,
        resamples=resamples,
        level=level,
        bounds=(0.0, 1.0),
    )
    if found.low is None:
        many = len(values) > 1
        return Interval.none("every feature has the same value" if many else "only one feature")
    kind = STUDENTISED if found.kind == STUDENTISED else "Student's t"
    return dataclasses.replace(found, kind=f"{kind} by feature, for these listeners")


def modal_by_chance(n: int, options: int) -> float:
    """Expected modal share of `n` random choices among q = `options`, exactly.

    Multinomial counts are independent Poisson(n/q) counts given their sum n (Levin 1981, Annals of
    Statistics 9, 1123–1126). So P(no option is chosen more than m times) is the n-th term of the
    q-fold convolution of the Poisson probabilities up to m, over P(Poisson(n) = n). The expected
    maximum is Σ over m from 0 to n − 1 of P(maximum > m).
    """
    single = stats.poisson.pmf(np.arange(n + 1), n / options)
    beyond = 0.0
    for most in range(n):
        power = np.array([1.0])
        for _ in range(options):
            power = np.convolve(power, single[: most + 1])[: n + 1]
        inside = float(power[n]) if len(power) > n else 0.0
        beyond += 1 - inside / float(stats.poisson.pmf(n, n))
    return beyond / n


def entropy_by_chance(n: int, options: int) -> float:
    """Expected normalised entropy of `n` random choices among q = `options`, exactly.

    Each option's count k is Binomial(n, 1/q), so E[−Σ p log p] = q Σ_k P(k) (k/n) log(n/k).
    """
    k = np.arange(1, n + 1)
    terms = stats.binom.pmf(k, n, 1 / options) * (k / n) * np.log(n / k)
    return float(options * terms.sum() / math.log(options))


CONSENSUS = {
    "consensus_modal_share": Consensus(
        "share of listeners who chose a feature’s most chosen label, mean over features",
        _modal_share,
        False,
        modal_by_chance,
    ),
    "consensus_entropy": Consensus(
        "normalised entropy of the choices on a feature (0: all alike), mean over features",
        _entropy,
        True,
        entropy_by_chance,
    ),
}


def _agreement(choices: Choices, seed: int, level: float) -> Iterator[Estimate]:
    """Krippendorff's alpha of the chosen labels, and Brennan and Prediger's coefficient.

    The latter corrects each feature for its own number of options.
    """
    ratings = choices.ratings
    judged = Judged(
        choices.item, choices.label, ratings.participant, choices.n_items, choices.n_labels, False
    )
    size = _options_of_items(choices)
    named = f"among {size[0]} options" if np.ptp(size) == 0 else "among each feature’s options"
    found = {
        "alpha_choice": ("Krippendorff’s alpha of the choice (nominal)", krippendorff_nominal),
        "brennan_prediger_choice": (
            f"chance-corrected agreement on the choice {named} (Brennan and Prediger)",
            lambda counts, weights: brennan_prediger(counts, weights, size),
        ),
    }
    for name, (label, coefficient) in found.items():
        if name == "brennan_prediger_choice" and not choices.known:
            yield ratings.quantity(name, label, "none", level).not_estimable(UNKNOWN_CHANCE)
            continue
        result = agree(
            coefficient,
            judged,
            rng=stream(seed, f"{name} {ratings.method}"),
            level=level,
        )
        yield agreement_estimate(name, label, ratings, result, level)
