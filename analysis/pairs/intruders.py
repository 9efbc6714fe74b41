"""Intruder trials: do listeners find the one clip of five in which the feature does not fire?

No label is involved, so that the numbers are of features, not of methods. Chance is 1 / number of
clips. d′ is that of a choice among the clips (`listeners.identification.p_correct`), as if the
intruder were the signal. Beside it stand two machines, each with its correlation with how often
listeners found an intruder, corrected for the noise of single answers. By label (`labels.csv`): how
often CLAP finds one by the feature's label, over many sets of clips (the scorer `intruder`). By
sound (`clip_clap_1` …): whether the intruder is the clip that is least like the other four by
CLAP's embeddings, in the very trials that listeners had, and without a label.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from analysis.arrays import Floats
from analysis.estimates.choices.outcomes import Trials
from analysis.estimates.intervals import LEVEL, stream
from analysis.estimates.results import Estimate, Interval
from analysis.listeners.identification import INTRUDER, recognition
from analysis.listeners.machine_scores import correlation
from analysis.reading.columns import whole
from analysis.reading.labels import Labels
from analysis.reading.table import CLIP, RUN_SEPARATOR, Responses

CLAP = re.compile(r"clip_clap_\d")
"""Columns with each clip's mean cosine with the others."""
ALL_FEATURES = "intruder trials"
"""Stands in place of a method."""
SCORE = INTRUDER
"""The score of `labels.csv`, and the beginning of the estimates' names."""


def intruders_of(responses: Responses) -> Trials:
    """The intruder trials of a table that has only such; a hit is the intruder."""
    frame = responses.ratings.assign(method=ALL_FEATURES)
    frame = frame[(frame["chosen_position"] != "") & (frame["target_position"] != "")]
    frame = frame.reset_index(drop=True)
    hit = frame["chosen_position"].map(whole) == frame["target_position"].map(whole)
    clips = [column for column in frame.columns if CLIP.fullmatch(column)]
    heard = (frame[clips] != "").sum(axis=1).to_numpy(dtype=np.int64)
    options = np.where(heard >= 2, heard, 0).astype(np.int64)
    return Trials(frame, np.asarray(hit, dtype=np.float64), options)


def describe_intruders(
    responses: Responses, labels: Labels | None, *, seed: int, level: float = LEVEL
) -> Iterator[Estimate]:
    """Every estimate of the intruder trials."""
    trials = intruders_of(responses)
    if trials.frame.empty:
        return
    ratings = trials.ratings(ALL_FEATURES)
    label = "share of intruder trials in which the intruder was found"
    yield from recognition(trials, ratings, SCORE, label, level)
    yield from _by_label(trials, labels, seed, level)
    yield from _by_sound(trials, seed, level)


def _by_sound(trials: Trials, seed: int, level: float) -> Iterator[Estimate]:
    """The clip with the smallest mean cosine with the others; of equal ones each a share of 1."""
    columns = [name for name in trials.frame.columns if CLAP.fullmatch(name)]
    if not columns:
        return
    cosines = trials.frame[columns].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    known = np.isfinite(cosines).all(axis=1)
    if not known.any():
        return
    kept, cosines = trials.only(known), cosines[known]
    target = kept.frame["target_position"].map(whole).to_numpy(dtype=np.int64) - 1
    own = cosines[np.arange(len(target)), target]
    least = cosines == cosines.min(axis=1, keepdims=True)
    found = least[np.arange(len(target)), target] / least.sum(axis=1)
    ratings = kept.ratings(ALL_FEATURES)
    by_feature = pd.Series(found).groupby(kept.frame["feature_key"].to_numpy()).mean()
    label = "share of features whose intruder CLAP finds by sound: the clip least like the others"
    quantity = ratings.quantity("intruder_clap_sound", label, "share", level)
    yield quantity.estimated(
        float(by_feature.mean()), Interval.none("a constant of these features")
    )
    # How far the intruder is from the four beyond how far these are from one another.
    apart = (cosines.sum(axis=1) - own) / (cosines.shape[1] - 1) - own
    label = (
        "Spearman’s correlation of how far the intruder is from the others by CLAP’s embeddings "
        "and listeners’ finding it"
    )
    yield from _with_listeners(kept, apart, "spearman_intruder_sound", label, seed, level)


def _with_listeners(
    trials: Trials, values: Floats, name: str, label: str, seed: int, level: float
) -> Iterator[Estimate]:
    """The correlation of a machine's values [trial] and finding the intruder."""
    ratings = trials.ratings(ALL_FEATURES)
    quantity = ratings.quantity(name, label, "none", level)
    rng = stream(seed, f"reliability {name.removeprefix('spearman_')}")
    # Agreement is of levels from 1 on: 2 where the intruder was found.
    found = dataclasses.replace(ratings, values=1 + trials.hit)
    yield from correlation(quantity, values, found, np.zeros(len(values), dtype=np.int64), rng)


def _by_label(trials: Trials, labels: Labels | None, seed: int, level: float) -> Iterator[Estimate]:
    """CLAP's share of found intruders on the same features, and its correlation with listeners'."""
    scores = {} if labels is None else labels.by_name.get(SCORE, {})
    score = _of_features(scores)
    each = np.array([score.get(f, np.nan) for f in trials.frame["feature_key"]], dtype=np.float64)
    known = trials.only(np.isfinite(each))
    if known.frame.empty:
        return
    ratings, values = known.ratings(ALL_FEATURES), each[np.isfinite(each)]
    by_feature = pd.Series(values).groupby(known.frame["feature_key"].to_numpy()).first()
    label = "mean over features of how often CLAP finds an intruder by their labels (labels.csv)"
    quantity = ratings.quantity("intruder_clap", label, "share", level)
    yield quantity.estimated(
        float(by_feature.mean()), Interval.none("a constant of these features")
    )
    label = "Spearman’s correlation of CLAP’s share of found intruders and listeners’ finding them"
    yield from _with_listeners(known, values, "spearman_intruder", label, seed, level)


def _of_features(scores: Mapping[tuple[str, str, int], float]) -> dict[str, float]:
    """Feature to the mean score of its methods' first labels."""
    first = [(feature, value) for (feature, _, rank), value in scores.items() if rank == 1]
    if not first:
        return {}
    frame = pd.DataFrame(first, columns=["feature", "value"])
    return {str(f): float(v) for f, v in frame.groupby("feature")["value"].mean().items()}


def features_table(responses: Responses) -> pd.DataFrame:
    """One row per feature: its intruder trials, how many were right, and the share."""
    trials = intruders_of(responses)
    frame = trials.frame.assign(right=trials.hit)
    by = frame.groupby("feature_key", sort=True)
    table = pd.DataFrame(
        {
            "trials": by.size(),
            "right": by["right"].sum().astype(np.int64),
            "share": by["right"].mean(),
            "mean_confidence": by["rating"].mean(),
        }
    ).reset_index(names="feature")
    return table.assign(feature=table["feature"].str.replace(RUN_SEPARATOR, " · "))
