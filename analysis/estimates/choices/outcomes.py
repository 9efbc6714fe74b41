"""Choices as an outcome: was each one a hit, and how likely was that under random choice?

Under the option policy `identification` (`target_position` is filled) a hit is the feature's own
label, and chance is 1 / number of options, which may differ between trials. Under `candidates` a
hit is the method's first label (`chosen_rank` 1); it is offered in every trial, so chance is
1 / number of options too, but no option is wrong, so its share is not corrected for chance.

"None of these fits", where it could be answered, is an answer like any other: neither the right
option nor the method's first label. Chance stays 1 / number of labels offered, that of somebody who
always guesses among the labels: whoever may also answer "none" hits less often by guessing.

The number of options is counted in the columns `option_1`, `option_2`, …; a table without them does
not say what chance is.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.arrays import Floats, Ints
from analysis.estimates.clustering import Linear
from analysis.estimates.descriptives import Ratings, ratings_of
from analysis.estimates.method_pairs import Pair, pair_from
from analysis.estimates.results import Interval
from analysis.estimates.strata import comparable
from analysis.reading.columns import NONE_OF_THESE, whole
from analysis.reading.table import Responses

_OPTION = re.compile(r"option_[0-9]+")
UNKNOWN_CHANCE = (
    "a trial does not have two options in the columns option_1, option_2, …, so the share expected "
    "under random choice is unknown"
)


def options_of(frame: pd.DataFrame) -> Ints:
    """Number of options offered in each trial, [rating]; 0 where the table does not say."""
    columns = [name for name in frame.columns if _OPTION.fullmatch(name)]
    if not columns:
        return np.zeros(len(frame), dtype=np.int64)
    offered = np.sum([(frame[c] != "").to_numpy(dtype=np.int64) for c in columns], axis=0)
    return np.where(offered >= 2, offered, 0).astype(np.int64)


def identified(frame: pd.DataFrame) -> pd.Series[bool]:
    """Which trials are identification trials, that is, have one right option."""
    if "target_position" not in frame.columns:
        return pd.Series(False, index=frame.index)
    return frame["target_position"] != ""


def is_identification(responses: Responses) -> bool:
    """Whether every rated trial is an identification trial: accuracy is primary.

    A trial without a choice does not enter accuracy, but does not change what the study is about.
    """
    frame = responses.ratings
    return bool(identified(frame).all()) and not identification_trials(frame).empty


def identification_trials(frame: pd.DataFrame) -> pd.DataFrame:
    """The identification trials in which an option was chosen."""
    if "chosen_position" not in frame.columns:
        return frame.iloc[:0]
    return frame[identified(frame) & ((frame["chosen_position"] != "") | none_fits(frame))]


def candidate_trials(frame: pd.DataFrame) -> pd.DataFrame:
    """The other trials with a choice, if the table has the method's ranks of the labels."""
    if "chosen_rank" not in frame.columns:
        return frame.iloc[:0]
    rest = frame[~identified(frame)]
    # Without the chosen label, an empty rank is a choice too: of a label from another feature.
    if "chosen_label" not in frame.columns:
        return rest
    return rest[(rest["chosen_label"] != "") | none_fits(rest)]


@dataclass(frozen=True)
class Trials:
    """Some trials of any methods: `hit` (1 or 0) and `options`, each [rating]."""

    frame: pd.DataFrame
    hit: Floats
    options: Ints

    @property
    def chosen(self) -> npt.NDArray[np.bool_]:
        """Whether a label was chosen, [rating]; else the answer was "none of these fits"."""
        return ~none_fits(self.frame).to_numpy(dtype=bool)

    def only(self, keep: npt.NDArray[np.bool_]) -> Trials:
        """Some of the trials."""
        return Trials(self.frame[keep], self.hit[keep], self.options[keep])

    @property
    def known(self) -> bool:
        """Whether chance is known in every trial."""
        return bool(np.all(self.options >= 2))

    @property
    def guess(self) -> Floats:
        """The probability g of a hit under random choice, 1 / options, [rating]."""
        return 1.0 / self.options

    @property
    def corrected(self) -> Floats:
        """c = (hit − g) / (1 − g), [rating]: 0 on average under random choice, 1 for a hit.

        Abbott's formula, trial by trial: with a single number of options k its mean is
        (p − 1/k) / (1 − 1/k), p the share of hits.
        """
        return np.asarray((self.hit - self.guess) / (1 - self.guess))

    def of(self, *methods: str) -> Trials:
        """The trials of these methods."""
        return self.only(self.frame["method"].isin(methods).to_numpy(dtype=bool))

    def comparing(self, a: str, b: str) -> Trials:
        """The trials of two methods in the studies and versions that have both."""
        return self.only(comparable(self.frame, a, b).to_numpy(dtype=bool))

    def ratings(self, method: str) -> Ratings:
        """The confidence of one method's trials."""
        return ratings_of(self.frame, method)

    def both(self, a: str, b: str) -> bool:
        """Whether each of two methods has such a trial, in one study and version."""
        return bool(comparable(self.frame, a, b).any())

    def pair(self, a: str, b: str, values: Floats) -> Pair:
        """`values` [rating] of two methods as a pair."""
        return pair_from(self.frame, a, b, values)


def corrected_interval(linear: Linear, g: float, way: str, level: float) -> Interval:
    """Interval of a chance-corrected accuracy π, the value of `linear`, at the mean chance g.

    p = g + (1 − g) π is the accuracy that π implies; the limits of p, under one clustering, are
    turned back into limits of π. With a single number of options p is the observed accuracy,
    and the interval is exactly that of accuracy, corrected. With several, p can fall a little below
    0 where nearly every answer is wrong; it is cut there.
    """
    implied = min(max(g + (1 - g) * linear.value, 0.0), 1.0)
    share = dataclasses.replace(linear, value=implied, influence=(1 - g) * linear.influence)
    found = share.share(way, len(linear.influence), level)
    if found.low is None or found.high is None:
        return found
    low, high = ((limit - g) / (1 - g) for limit in (found.low, found.high))
    return Interval(min(low, linear.value), high, f"{found.kind}, corrected for chance")


def identification(responses: Responses) -> Trials:
    """The identification trials; a hit is the right option."""
    frame = identification_trials(answered(responses))
    if frame.empty:
        return Trials(frame, np.zeros(0), np.zeros(0, dtype=np.int64))
    right = frame["chosen_position"].map(whole) == frame["target_position"].map(whole)
    return Trials(frame, np.asarray(right, dtype=np.float64), options_of(frame))


def candidates(responses: Responses) -> Trials:
    """The other trials with a choice; a hit is the method's first label."""
    frame = candidate_trials(answered(responses))
    if frame.empty:
        return Trials(frame, np.zeros(0), np.zeros(0, dtype=np.int64))
    return Trials(frame, (rank_of(frame) == 1).astype(np.float64), options_of(frame))


NO_LABEL = -1
"""The rank of "none of these fits"."""


def rank_of(frame: pd.DataFrame) -> Ints:
    """The method's own rank of each chosen label, [rating]; 0 for one from another feature."""
    rank = frame["chosen_rank"].map(whole).fillna(0).astype(np.int64)
    return np.asarray(rank.where(~none_fits(frame), NO_LABEL), dtype=np.int64)


def none_fits(frame: pd.DataFrame) -> pd.Series[bool]:
    """Which answers are "none of these fits"."""
    if "answer" not in frame.columns:
        return pd.Series(False, index=frame.index)
    return frame["answer"] == NONE_OF_THESE


def answered(responses: Responses) -> pd.DataFrame:
    """The ratings, and after them the answers "none of these fits"."""
    if responses.none_fits is None:
        return responses.ratings
    return pd.concat([responses.ratings, responses.none_fits], ignore_index=True)
